import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { cli } from '../support/server-process.ts';
import { fencesOf } from './fences.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (page: string) => readFileSync(join(root, page), 'utf8');
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'DEVELOPMENT.md', 'examples/README.md'],
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
];
const schema = buildSchema(read('schema.graphql'));

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('leads nowhere that is not there', () => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(targets.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
  });

  test('names files that exist', () => {
    const named = [...text.matchAll(/`((?:src|test|scripts|prisma)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
    // Made by the benchmarks, or by the installation.
    const made = /^test\/bench\/results\.md$|^src\/generated/;
    expect(named.filter((path) => !made.test(path) && !existsSync(join(root, path)))).toEqual([]);
  });

  test('shows documents that the API takes', () => {
    const documents = fencesOf(text).filter((fence) => fence.language === 'graphql');
    const problems = documents.flatMap(({ text: document, line }) =>
      validate(schema, parse(document)).map((error) => `${page}:${line} ${error.message}`),
    );
    expect(problems).toEqual([]);
  });
});

test('docs/operating.md lists every flag of `serve` and its variable, and no other', async () => {
  const { stdout } = await promisify(execFile)(cli.command, [cli.main, 'serve', '--help']);
  const offered = [...stdout.matchAll(/(--[a-z-]+)(?: <[a-z]+>)?\s[^[]*\[(PENSTOCK_\w+)\]/g)].map(
    ([, flag, variable]) => `${flag} ${variable}`,
  );
  const rows = [...read('docs/operating.md').matchAll(/^\| `(--[a-z-]+)`\s*\| `(PENSTOCK_\w+)`/gm)];
  expect(offered.length).toBeGreaterThan(5);
  expect(rows.map(([, flag, variable]) => `${flag} ${variable}`).sort()).toEqual(offered.sort());
});

test('no message names a flag that there is not', async () => {
  const helps = await Promise.all(
    ['serve', 'run', 'runs'].map((command) => promisify(execFile)(cli.command, [cli.main, command, '--help'])),
  );
  const offered = new Set(helps.flatMap(({ stdout }) => stdout.match(/--[a-z][a-z-]+/g) ?? []));
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.startsWith('generated'),
  );
  const sentences = files.flatMap((path) =>
    // Flags at the end of a phrase such as "with --port": how a message speaks to its reader.
    [...read(`src/${path}`).matchAll(/\b(?:with|give|correct|or|and|in|see|under) (--[a-z][a-z-]+)/g)].map(
      ([, flag]) => `src/${path}: ${flag}`,
    ),
  );
  expect(sentences.length).toBeGreaterThan(5);
  expect(sentences.filter((sentence) => !offered.has(sentence.split(': ')[1] ?? ''))).toEqual([]);
});
