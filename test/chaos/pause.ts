import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/waiting.ts';
import { check } from './check.ts';
import type { Violation } from './evidence.ts';
import type { PenstockProcess } from './penstock-process.ts';
import { readEvidence } from './read-evidence.ts';
import { openWorld, type World } from './world.ts';

export type PauseReport = {
  /** Block runs that ran when it began. */
  readonly held: number;
  /** Attempts that were taken for lost. */
  readonly lost: number;
  readonly violations: readonly Violation[];
};

/** Stops some of a world's processes for a while, in the middle of work, and waits for the end of all runs. */
export async function pauseSome(ms: number, whom: (crew: readonly PenstockProcess[]) => readonly PenstockProcess[]) {
  const world = await openWorld({ schedulers: 2, workers: 2, blockMs: [2000, 2500] });
  try {
    await trigger(world);
    const running = `select worker_id, count(*)::int from block_run where status = 'running' group by worker_id`;
    const held = await until('both workers are busy', async () => {
      const { rows } = await world.sql(running);
      return rows.length === 2 && rows.reduce((sum, row) => sum + row.count, 0);
    });
    // The beat says what a worker holds: until the next one it counts as idle.
    await until(
      'their beats say so',
      async () => (await world.sql('select from worker_beat where busy > 0')).rowCount === 2,
    );
    const chosen = whom(world.crew());
    for (const member of chosen) member.signal('SIGSTOP');
    await pause(ms);
    // Those who judge wake up first.
    for (const member of chosen) member.signal('SIGCONT');
    await until(
      'every run ends',
      async () => {
        const { rows } = await world.sql(
          `select count(*)::int as open from pipeline_run where status in ('initial', 'running')`,
        );
        return rows[0].open === 0;
      },
      60_000,
    );
    const evidence = await readEvidence(world.postgres.connection, world.journal);
    const lost = evidence.events.filter((event) => event.kind === 'block_worker_lost').length;
    return { held, lost, violations: check(evidence) } satisfies PauseReport;
  } finally {
    for (const member of world.crew()) member.signal('SIGCONT');
    await world.close();
  }
}

async function trigger(world: World): Promise<void> {
  await world.ask(
    `mutation ($runs: [TriggerPipelineRunInput!]!) { triggerPipelineRuns(input: { runs: $runs }) { results { __typename } } }`,
    { runs: [{ pipelineUuid: 'fan' }] },
  );
}
