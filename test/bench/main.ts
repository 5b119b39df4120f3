import { readFile, writeFile } from 'node:fs/promises';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { batch10k, batchSizes } from './batch-10k.ts';
import type { Benchmark } from './benchmark.ts';
import { chain40, chainSizes } from './chain-40.ts';
import { chain40Python } from './chain-40-python.ts';
import { exactlyOnce, exactlyOnceSizes } from './exactly-once.ts';
import { fan5000, fanSizes } from './fan-5000.ts';
import { type BenchGround, openGround, placeOnDisk } from './ground.ts';
import { runBenchmark } from './harness.ts';
import { kill9, killSizes } from './kill-9.ts';
import { installPeers } from './peers/install.ts';
import { openProbe } from './probe.ts';
import { jsonLine, type Machine, markdown, type Result, resultOf, summary } from './report.ts';

/**
 * `npm run bench` runs every benchmark and writes results.md. `npm run bench -- NAME …` runs some and rewrites their parts of it;
 * `--json` prints one line of JSON for each on stdout, `--rounds N` asks for more rounds than five. What happens meanwhile
 * is told on stderr. Exits 0 when everything was measured, whatever the verdicts; 64 when asked for what it doesn't have.
 */
const benchmarks: readonly Benchmark[] = [
  chain40(chainSizes),
  chain40Python(chainSizes),
  fan5000(fanSizes),
  kill9(killSizes),
  exactlyOnce(exactlyOnceSizes),
  batch10k(batchSizes),
];

const usage = `usage: npm run bench -- [NAME …] [--json] [--rounds N], N ≥ 5, NAME one of: ${benchmarks.map((benchmark) => benchmark.name).join(', ')}`;

const say = (line: string) => process.stderr.write(`${line}\n`);

type Request = { readonly chosen: readonly Benchmark[]; readonly json: boolean; readonly rounds: number };

function readRequest(): Request | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' } },
    });
    const chosen = benchmarks.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    const rounds = Number(values.rounds);
    const known = positionals.every((name) => benchmarks.some((benchmark) => benchmark.name === name));
    return known && Number.isInteger(rounds) && rounds >= 5 ? { chosen, json: values.json, rounds } : undefined;
  } catch {
    return undefined;
  }
}

async function measureAll(request: Request, signal: AbortSignal): Promise<void> {
  const contenders = request.chosen.flatMap((benchmark) => benchmark.peers.map((peer) => peer.contender));
  if (contenders.some((contender) => contender.installedSeparately)) await installPeers(say);
  const ground = await openGround(await placeOnDisk());
  try {
    const results = await measureOn(ground, request, signal);
    const path = join(import.meta.dirname, 'results.md');
    const before = await readFile(path, 'utf8').catch(() => '');
    const names = benchmarks.map(({ name }) => name);
    await writeFile(path, markdown(results, describeMachine(ground.postgresVersion), names, before));
    say(`written: ${path}`);
  } finally {
    await ground.close();
  }
}

async function measureOn(ground: BenchGround, request: Request, signal: AbortSignal): Promise<readonly Result[]> {
  const { chosen, json, rounds } = request;
  const { postgresPid } = ground;
  const probe = await openProbe(await ground.database('probe'));
  const results: Result[] = [];
  try {
    for (const benchmark of chosen) {
      const options = { rounds, maxRounds: 2 * rounds, settleMs: 200, postgresPid, ground, probe, signal, say };
      const result = resultOf(benchmark, await runBenchmark(benchmark, options), rounds);
      results.push(result);
      process.stdout.write(`${json ? jsonLine(result) : summary(result)}\n`);
    }
    return results;
  } finally {
    await probe.close();
  }
}

function describeMachine(postgres: string): Machine {
  const processors = cpus();
  return {
    date: new Date(),
    cpu: processors[0]?.model ?? 'unknown processor',
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.versions.node,
    postgres,
  };
}

const request = readRequest();
if (request === undefined) {
  say(usage);
  process.exit(64);
}
const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupt.abort(new Error(`stopped by ${name}`)));
}
try {
  await measureAll(request, interrupt.signal);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
process.exit();
