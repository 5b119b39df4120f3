import { writeSync } from 'node:fs';
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import {
  EventCursorDocument,
  PipelineRunDocument,
  TriggerPipelineRunDocument,
  WatchRunEventsDocument,
} from '../generated/graphql/graphql.ts';
import { addConnectOptions, type ConnectOptions, connect } from './connect.ts';
import { exitCodes } from './exit-codes.ts';
import type { Progress } from './progress.ts';
import { collectVariable } from './variables.ts';

type RunOptions = ConnectOptions & {
  readonly var: Readonly<Record<string, unknown>>;
  readonly wait?: boolean;
  readonly key?: string;
};

/** `penstock run PIPELINE`: starts a run; with --wait shows its blocks live and ends as the run ends. */
export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('start a run of a pipeline; with --wait, follow it to its end')
    .argument('<pipeline>', "the pipeline's uuid: the name of its folder")
    .option('--var <name=value>', 'a variable of the run, as JSON or text; may be repeated', collectVariable, {})
    .option('--key <key>', 'idempotency key: the same key and input give the same run again')
    .option('--wait', 'show the blocks live, and exit 0 completed, 1 failed, 2 cancelled');
  addConnectOptions(command).action(async (pipeline: string, options: RunOptions) => {
    const client = connect(options, process.env);
    try {
      process.exitCode = await run(client, pipeline, options);
    } finally {
      await client.close();
    }
  });
}

async function run(client: Client, pipelineUuid: string, options: RunOptions): Promise<number> {
  // Read before the run exists: everything that happens to it comes after.
  const { eventCursor } = await client.request(EventCursorDocument, {});
  const { triggerPipelineRun: answer } = await client.request(TriggerPipelineRunDocument, {
    input: { pipelineUuid, variables: options.var, idempotencyKey: options.key ?? null },
  });
  if (answer.__typename !== 'TriggerPipelineRunSuccess') {
    process.stderr.write(`${answer.message}\n`);
    if (answer.__typename === 'PipelineInvalidError') {
      for (const { file, line, message } of answer.problems)
        process.stderr.write(`  ${file}${line ? `:${line}` : ''} ${message}\n`);
    }
    return exitCodes.refused;
  }
  const { id } = answer.pipelineRun;
  process.stdout.write(`${id} ${answer.wasReplayed ? 'was started before with this key' : 'started'}\n`);
  return options.wait ? follow(client, id, answer.wasReplayed ? null : eventCursor) : exitCodes.completed;
}

/**
 * Shows a run until it ends: from `since` every change, in order; without it how the run stands now, and every change from
 * then on. Query first, then subscribe from the query's cursor: nothing is missed in between.
 */
async function follow(client: Client, id: string, since: string | null): Promise<number> {
  const { eventCursor, pipelineRun } = await client.request(PipelineRunDocument, { id });
  if (!pipelineRun) return exitCodes.refused;
  const blocks = pipelineRun.blockRuns.nodes.map(({ blockUuid, status }) => ({
    blockUuid,
    status: since === null ? status : ('INITIAL' as const),
  }));
  // Read where it is shown: every start of a server would pay for it.
  const { showProgress } = await import('./progress.ts');
  const progress = showProgress(blocks, process.stdout);
  process.once('SIGINT', () => {
    // Past process.stdout, which the progress display holds back, and with the cursor that it hides.
    const cursor = process.stdout.isTTY ? '\u001b[?25h' : '';
    writeSync(1, `${cursor}\n${id} goes on; only watching it was stopped.\n`);
    process.exit(exitCodes.interrupted);
  });
  if (since !== null || !pipelineRun.isTerminal) await untilItEnds(client, id, since ?? eventCursor, progress);
  await progress.end();

  const { pipelineRun: ended } = await client.request(PipelineRunDocument, { id });
  if (!ended) return exitCodes.refused;
  process.stdout.write(`${id} ${ended.status.toLowerCase()}: ${ended.statusReason?.message ?? ''}\n`);
  if (ended.error?.stackTrace) process.stderr.write(`${ended.error.stackTrace}\n`);
  if (ended.status === 'COMPLETED') return exitCodes.completed;
  return ended.status === 'CANCELLED' ? exitCodes.cancelled : exitCodes.failed;
}

async function untilItEnds(client: Client, id: string, after: string, progress: Progress): Promise<void> {
  const filter = { pipelineRunId: { eq: id } };
  for await (const { runEvents: message } of client.subscribe(WatchRunEventsDocument, { filter, after })) {
    if (message.__typename !== 'RunEvent') continue;
    const { blockUuid, blockStatus, runStatus, reason, attempt } = message;
    if (blockUuid && blockStatus)
      progress.block(blockUuid, blockStatus, { attempt: attempt ?? 0, reason: reason?.message ?? null });
    if (runStatus === 'COMPLETED' || runStatus === 'FAILED' || runStatus === 'CANCELLED') return;
  }
}
