import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batch10k } from './batch-10k.ts';
import type { Benchmark } from './benchmark.ts';
import { chain40 } from './chain-40.ts';
import { chain40Python } from './chain-40-python.ts';
import { exactlyOnce } from './exactly-once.ts';
import { fan5000 } from './fan-5000.ts';
import { type BenchGround, openGround } from './ground.ts';
import { runBenchmark } from './harness.ts';
import { kill9 } from './kill-9.ts';
import { arePeersInstalled } from './peers/install.ts';
import { openProbe, type Probe } from './probe.ts';
import { jsonLine, resultOf } from './report.ts';

/** Nothing is timed here: figures come out, and the blocks really ran. Peers take part where somebody has installed them. */
const serverExists = existsSync(resolve(import.meta.dirname, '../../src/cli/main.ts'));

describe.skipIf(!serverExists)('a benchmark of the smallest size', () => {
  let ground: BenchGround;
  let probe: Probe;
  let proof: string;
  beforeAll(async () => {
    ground = await openGround(tmpdir());
    probe = await openProbe(await ground.database('probe'));
    proof = join(await ground.directory('proof'), 'ran.txt');
  });
  afterAll(async () => {
    await probe?.close();
    await ground?.close();
  });

  async function measureOnce(benchmark: Benchmark): Promise<void> {
    await rm(proof, { force: true });
    const installed = await arePeersInstalled();
    const peers = benchmark.peers.filter(({ contender }) => installed || !contender.installedSeparately);
    const present = { ...benchmark, peers };
    const rounds = await runBenchmark(present, {
      rounds: 1,
      maxRounds: 1,
      settleMs: 0,
      postgresPid: ground.postgresPid,
      ground,
      probe,
      signal: AbortSignal.timeout(60_000),
      say: () => {},
    });
    const line = JSON.parse(jsonLine(resultOf(present, rounds, 1)));
    expect(line.ours).toBeGreaterThan(0);
    for (const peer of line.peers) expect(peer.ratio).toBeGreaterThan(0);
    expect(Object.keys(line.rounds[0].samples)).toHaveLength(1 + peers.length);
  }

  const linesOfProof = async () => (await readFile(proof, 'utf8')).split('\n').length - 1;

  test('chain-40 runs a chain of TypeScript blocks', { timeout: 90_000 }, async () => {
    await measureOnce(chain40({ steps: 3, perRound: 2, warmUps: 1, proof }));
    expect(await linesOfProof()).toBe(3 * (2 + 1));
  });

  test('chain-40-python runs a chain of Python blocks and one of TypeScript blocks', { timeout: 90_000 }, async () => {
    await measureOnce(chain40Python({ steps: 3, perRound: 2, warmUps: 1, proof }));
    expect(await linesOfProof()).toBe(2 * 3 * (2 + 1));
  });

  test('kill-9 kills workers whose work then runs elsewhere', { timeout: 90_000 }, async () => {
    await measureOnce(kill9({ workers: 2, kills: 1, stopMs: 0, blockMs: 400 }));
  });

  test('exactly-once checks what an attack leaves behind', { timeout: 120_000 }, async () => {
    await measureOnce(exactlyOnce({ workers: 2, blocks: 120, runsAtOnce: 3 }));
  });

  test('batch-10k cancels and retries every run', { timeout: 90_000 }, async () => {
    await measureOnce(batch10k({ runs: 120, blocks: 2, idleMs: 0 }));
  });

  test('fan-5000 runs independent blocks', { timeout: 90_000 }, async () => {
    await measureOnce(fan5000({ items: 25, warmUps: 1, proof }));
    expect(await linesOfProof()).toBe(25 * (1 + 1));
  });
});
