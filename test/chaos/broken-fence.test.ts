import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { createTestEngine, ended, type TestEngine } from '../support/engine.ts';
import { brokenStep } from './broken-fence.ts';
import { check } from './check.ts';
import { readEvidence } from './read-evidence.ts';

let engine: TestEngine;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-fence-'));
  engine = await createTestEngine();
  await engine.pipeline('pair', [[], [0]]);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A worker is taken for lost, its block runs again elsewhere, and meanwhile the lost one reports what it did. */
async function zombieReports(journal: string): Promise<readonly string[]> {
  const say = (what: string, claim: Claim) =>
    appendFileSync(
      journal,
      `${what} ${claim.run} ${claim.uuid} ${claim.fence} ${process.pid} ${process.hrtime.bigint()}\n`,
    );
  const [zombie, successor] = [await engine.worker(), await engine.worker()];
  const run = await engine.start('pair');

  const first = (await zombie.step(1)).claims[0]!;
  say('start', first);
  await releaseLostClaims(engine.context, zombie.id);
  const second = (await successor.step(1)).claims[0]!;
  say('start', second);
  say('end', first);
  const wronglyBegun = (await zombie.step(1, [ended(first)])).claims;
  for (const claim of wronglyBegun) say('start', claim);
  say('end', second);
  const next = (await successor.step(1, [ended(second)])).claims;
  for (const claim of next) say('start', claim);
  for (const claim of [...wronglyBegun, ...next]) say('end', claim);
  await zombie.step(
    0,
    wronglyBegun.map((claim) => ended(claim)),
  );
  await successor.step(
    0,
    next.map((claim) => ended(claim)),
  );
  await settleRuns(engine.context);
  expect(await engine.statuses(run)).toEqual(['completed', 'completed']);
  const violations = check(await readEvidence(engine.database.settings, journal));
  return [...new Set(violations.map((violation) => violation.rule))];
}

test('the late report of a lost worker changes nothing; were it taken, the database would look well and the file would tell', async () => {
  expect(await zombieReports(join(folder, 'sound.txt'))).toEqual([]);

  await engine.database.pool.query('delete from pipeline_run');
  await engine.database.pool.query('truncate run_event, block_attempt, ready');
  await engine.database.pool.query(await brokenStep());
  expect(await zombieReports(join(folder, 'broken.txt'))).toEqual(['order']);
});
