import { parseArgs } from 'node:util';
import { brokenStep } from './broken-fence.ts';
import { wreakHavoc } from './chaos.ts';

/**
 * `npm run chaos -- --minutes N [--blocks N] [--seed S] [--cancels SHARE] [--broken-fence]`: kills, stops and cuts whatever Penstock consists of while
 * it works, then checks that nothing was lost or done twice. Exits 1 when something was; the seed that it prints repeats the
 * mischief. With `--broken-fence` Penstock takes reports from anybody, and blocks take seconds, so that some of these are false:
 * then it has to exit 1.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    blocks: { type: 'string', default: '1000000' },
    'broken-fence': { type: 'boolean', default: false },
    cancels: { type: 'string', default: '0.05' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const isBroken = values['broken-fence'];
const say = (line: string) => process.stderr.write(`${line}\n`);
say(`seed ${values.seed}`);
const started = performance.now();
const report = await wreakHavoc({
  seed: Number(values.seed),
  blocks: Number(values.blocks),
  ms: Number(values.minutes) * 60_000,
  schedulers: 2,
  workers: 4,
  blockMs: isBroken ? [1000, 4000] : [5, 50],
  runsAtOnce: 12,
  cancelShare: Number(values.cancels),
  pauseMs: [200, 2000],
  stopMs: isBroken ? [3000, 5000] : [1000, 8000],
  prepare: async (world) => {
    if (isBroken) await world.sql(await brokenStep());
  },
  say: (line) => say(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${line}`),
});

const { violations, deserters, ...figures } = report;
process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...figures }, null, 1)}\n`);
for (const deserter of deserters) process.stdout.write(`ended unasked: ${deserter}\n`);
for (const { rule, message } of violations.slice(0, 50)) process.stdout.write(`${rule}: ${message}\n`);
process.stdout.write(`${violations.length} violations, ${deserters.length} processes ended unasked\n`);
process.exit(violations.length + deserters.length > 0 ? 1 : 0);
