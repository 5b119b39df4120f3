import { parseArgs } from 'node:util';
import { brokenStep } from './broken-fence.ts';
import { wreakHavoc } from './chaos.ts';

/**
 * Kills, stops and cuts whatever Penstock consists of while it works, then checks that nothing was lost or done twice. Exits 1
 * when something was; the seed that it prints repeats the mischief. With `--broken-fence` Penstock takes reports from anybody, and
 * blocks take seconds, so that some of these are false: then it has to exit 1.
 */
const usage = `Usage: npm run chaos -- [options]
  --minutes N       how long (default: 1)
  --blocks N        end after so many blocks (default: 1000000)
  --block-ms N-N    how long a block takes, in milliseconds (default: 5-50)
  --cancels N       share of the runs that are cancelled, 0 to 1 (default: 0.05)
  --seed N          repeats the mischief of an earlier time
  --broken-fence    break the fence; violations have to be found`;

const options = {
  minutes: { type: 'string', default: '1' },
  blocks: { type: 'string', default: '1000000' },
  'block-ms': { type: 'string', default: '5-50' },
  'broken-fence': { type: 'boolean', default: false },
  cancels: { type: 'string', default: '0.05' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
} as const;

const values = readFlags();

function readFlags() {
  try {
    const { values } = parseArgs({ options });
    for (const name of ['minutes', 'blocks', 'cancels', 'seed'] as const) {
      if (!(Number(values[name]) >= 0)) throw new Error(`--${name} takes a number, not "${values[name]}".`);
    }
    if (!/^\d+-\d+$/.test(values['block-ms'])) {
      throw new Error(`--block-ms takes two numbers like 5-50, not "${values['block-ms']}".`);
    }
    return values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    process.exit(64);
  }
}

const [fromMs = 5, toMs = 50] = values['block-ms'].split('-').map(Number);
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
  blockMs: isBroken ? [1000, 4000] : [fromMs, toMs],
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
