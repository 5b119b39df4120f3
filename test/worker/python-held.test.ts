import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/waiting.ts';
import { isAlive } from './living.ts';
import { openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

/** An attempt that waits for its go, in a process that has its task; its code leaves a file behind, at its import already. */
async function hold(name: string, rest = '') {
  const file = join(house.projectDir, name);
  const go = Promise.withResolvers<boolean>();
  const code = `open(${JSON.stringify(file)}, 'w').close()\n@custom\ndef f(): return 'ran'\n${rest}`;
  const attempt = house.start(code, {}, undefined, go.promise);
  const pid = (await attempt.running.pid) ?? 0;
  return { ...attempt, pid, go: go.resolve, hasRun: () => existsSync(file) };
}

describe('an attempt that is held', () => {
  test('runs when it may', async () => {
    const held = await hold('may');
    expect(held.hasRun()).toBe(false);
    held.go(true);
    expect(values(await held.running.outcome)).toEqual(['ran']);
  });

  test('never runs when it may not, and its process ends', async () => {
    const held = await hold('may-not');
    held.go(false);
    expect(await held.running.outcome).toMatchObject({ status: 'stopped', outputs: [] });
    await until('its process is gone', () => !isAlive(held.pid));
    expect(held.hasRun()).toBe(false);
    expect(values((await house.run('@custom\ndef f(): return 1')).outcome)).toEqual([1]);
  });

  test('is stopped without having run', async () => {
    const held = await hold('stopped');
    held.running.stop(60_000);
    expect((await held.running.outcome).status).toBe('stopped');
    held.go(true);
    expect(held.hasRun()).toBe(false);
  });

  test.each([
    ['before', true],
    ['after', false],
  ])('whose process is killed runs in another, be it allowed %s', async (when, isBefore) => {
    const held = await hold(`killed-${when}`);
    process.kill(held.pid, 'SIGSTOP');
    if (isBefore) held.go(true);
    process.kill(held.pid, 'SIGKILL');
    await until('the killed process is gone', () => !isAlive(held.pid));
    if (!isBefore) held.go(true);
    expect(values(await held.running.outcome)).toEqual(['ran']);
  });

  test('tells what is wrong with its file only when it runs', async () => {
    const held = await hold('broken', 'this is no Python');
    held.go(true);
    expect(await held.running.outcome).toMatchObject({ status: 'failed', error: { type: 'SyntaxError' } });
  });

  test('may be allowed to run before there is a process for it', async () => {
    const other = await openPythonHouse();
    const outcomes = [true, false].map(
      (mayRun) => other.start('@custom\ndef f(): return 1', {}, undefined, Promise.resolve(mayRun)).running.outcome,
    );
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual(['completed', 'stopped']);
    await other.close();
  });
});
