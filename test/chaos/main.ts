import { parseArgs } from 'node:util';
import { wreakHavoc } from './chaos.ts';

/**
 * `npm run chaos -- --minutes N [--blocks N] [--seed S]`: kills, stops and cuts whatever Penstock consists of while it works, then
 * checks that nothing was lost or done twice. Exits 1 when something was; the seed that it prints repeats the mischief.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    blocks: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const say = (line: string) => process.stderr.write(`${line}\n`);
say(`seed ${values.seed}`);
const started = performance.now();
const report = await wreakHavoc({
  seed: Number(values.seed),
  blocks: Number(values.blocks),
  ms: Number(values.minutes) * 60_000,
  schedulers: 2,
  workers: 4,
  runsAtOnce: 12,
  pauseMs: [200, 2000],
  stopMs: [1000, 8000],
  say: (line) => say(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`),
});

const { violations, deserters, ...figures } = report;
process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...figures }, null, 1)}\n`);
for (const deserter of deserters) process.stdout.write(`ended unasked: ${deserter}\n`);
for (const { rule, message } of violations.slice(0, 50)) process.stdout.write(`${rule}: ${message}\n`);
process.stdout.write(`${violations.length} violations, ${deserters.length} processes ended unasked\n`);
process.exit(violations.length + deserters.length > 0 ? 1 : 0);
