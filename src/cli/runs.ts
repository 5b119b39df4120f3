import { type Command, InvalidArgumentError, Option } from 'commander';
import { PipelineRunsDocument, type PipelineRunsQuery } from '../generated/graphql/graphql.ts';
import { addConnectOptions, type ConnectOptions, connect } from './connect.ts';

const statuses = ['initial', 'running', 'completed', 'failed', 'cancelled'] as const;

type RunsOptions = ConnectOptions & {
  readonly pipeline?: string;
  readonly status?: (typeof statuses)[number];
  readonly limit: number;
  readonly json?: boolean;
};

/** `penstock runs`: the newest runs. */
export function addRuns(program: Command): void {
  const command = program
    .command('runs')
    .description('list the newest runs')
    .option('--pipeline <uuid>', 'only runs of this pipeline')
    .addOption(new Option('--status <status>', 'only runs in this status').choices(statuses))
    .option('--limit <n>', 'how many, at most 100', readLimit, 25)
    .option('--json', 'one JSON object per line, for programs');
  addConnectOptions(command).action(async (options: RunsOptions) => {
    const client = connect(options, process.env);
    try {
      const { pipelineRuns } = await client.request(PipelineRunsDocument, {
        first: options.limit,
        after: null,
        filter: {
          ...(options.pipeline ? { pipelineUuid: { eq: options.pipeline } } : {}),
          ...(options.status
            ? { status: { in: [options.status.toUpperCase() as Uppercase<typeof options.status>] } }
            : {}),
        },
      });
      const { nodes } = pipelineRuns;
      process.stdout.write(options.json ? nodes.map((run) => `${JSON.stringify(run)}\n`).join('') : table(nodes));
    } finally {
      await client.close();
    }
  });
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw new InvalidArgumentError('It must be a whole number from 1 to 100.');
  return limit;
}

type Run = PipelineRunsQuery['pipelineRuns']['nodes'][number];

function table(runs: readonly Run[]): string {
  if (runs.length === 0) return 'No runs.\n';
  const rows = runs.map((run) => [
    run.id,
    run.pipelineUuid,
    run.status.toLowerCase(),
    run.createdAt.replace('T', ' ').slice(0, 19),
    run.durationMs === null || run.durationMs === undefined ? '' : `${(run.durationMs / 1000).toFixed(1)} s`,
    `${run.blockRunCounts.completed}/${run.blockRunCounts.total} blocks`,
    run.status === 'FAILED' || run.status === 'CANCELLED' ? (run.statusReason?.message ?? '') : '',
  ]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
