import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cutText, longestLine } from '../../src/worker/executors/log-lines.ts';
import { pythonEnvironment } from '../../src/worker/executors/python-environment.ts';
import { findPython } from '../../src/worker/executors/python-find.ts';
import { createFrameReader, encodeFrame } from '../../src/worker/executors/python-frames.ts';
import { createLineOrder } from '../../src/worker/executors/python-line-order.ts';

describe('finding Python', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'penstock-test-'));
    for (const path of ['project/.venv/bin/python', 'bin/python3', 'plain/python3']) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), '#!/bin/sh\n');
    }
    await chmod(join(folder, 'project/.venv/bin/python'), 0o755);
    await chmod(join(folder, 'bin/python3'), 0o755);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("takes PENSTOCK_PYTHON, then the project's .venv, then python3 of the PATH, else none", () => {
    const PATH = `${folder}/plain:${folder}/bin`;
    const project = join(folder, 'project');
    expect(findPython(project, { PENSTOCK_PYTHON: '/some/python', PATH })).toBe('/some/python');
    expect(findPython(project, { PATH })).toBe(join(project, '.venv/bin/python'));
    expect(findPython(folder, { PATH })).toBe(join(folder, 'bin/python3'));
    expect(findPython(folder, { PATH: join(folder, 'plain') })).toBeNull();
  });
});

test("the environment of blocks is the server's without its secrets", () => {
  const env = {
    PATH: '/bin',
    DATABASE_URL: 'x',
    PENSTOCK_TOKEN: 'x',
    NODE_OPTIONS: 'x',
    NODE_CHANNEL_FD: '3',
    PGPASSWORD: 'theirs',
  };
  expect(pythonEnvironment(env, '/p')).toEqual({
    PATH: '/bin',
    PGPASSWORD: 'theirs',
    ENV: 'prod',
    MAGE_RUNTIME__REPO_PATH: '/p',
    PYTHONUTF8: '1',
  });
});

test('frames arrive whole, however the stream is torn', () => {
  const sent = [encodeFrame('o', 'ä'.repeat(1000)), encodeFrame('R', ''), encodeFrame('L', 'x')];
  const stream = Buffer.concat(sent);
  for (const size of [1, 3, 7, 1000, stream.length]) {
    const frames: string[] = [];
    const read = createFrameReader((kind, payload) => frames.push(`${kind}${payload.toString()}`));
    for (let start = 0; start < stream.length; start += size) read(stream.subarray(start, start + size));
    expect(frames).toEqual([`o${'ä'.repeat(1000)}`, 'R', 'Lx']);
  }
});

test('a long logger message is cut at 32 KB between characters, and holds nothing a database refuses', () => {
  const pieces = cutText(`${'ä'.repeat(longestLine)}\0\ud800`);
  expect(pieces.join('')).toBe(`${'ä'.repeat(longestLine)}\ufffd\ufffd`);
  expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(longestLine);
});

describe('the order of lines that come on two ways', () => {
  const heard: string[] = [];
  const hear = (line: string) => () => void heard.push(line);

  test('is the order in which they were written, whatever comes first', () => {
    const order = createLineOrder();
    order.relayed(1, 3, hear('b'));
    order.relayed(2, 3, hear('d'));
    expect(heard).toEqual([]);
    order.said(0, hear('a'));
    expect(heard).toEqual(['a', 'b']);
    order.said(3, hear('c'));
    expect(heard.splice(0)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('does not wait for ever: at the end all is delivered', () => {
    const order = createLineOrder();
    order.said(100, hear('after what was lost'));
    order.relayed(5, 1, hear('also'));
    order.flush();
    expect(heard.splice(0)).toEqual(['also', 'after what was lost']);
  });
});
