import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import type { SlowReaderReport } from './slow-reader-process.ts';

let testDatabase: TestDatabase;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
});
afterAll(async () => {
  await testDatabase.drop();
});

test('while 100,000 events go by somebody who does not read, others miss nothing, memory stays, and later they get them all', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    fileURLToPath(new URL('./slow-reader-process.ts', import.meta.url)),
    JSON.stringify(testDatabase.connection),
  ]);
  const { grownMb, quick, slow }: SlowReaderReport = JSON.parse(stdout);
  expect(quick).toEqual({ events: 100_000, outOfOrder: 0 });
  expect(grownMb).toBeLessThan(50);
  expect(slow).toEqual({ types: ['lagged', 'event'], events: 100_000, outOfOrder: 0 });
}, 120_000);
