import {
  type BlockRunStatus,
  isLegalBlockMove,
  isLegalRunMove,
  isTerminalBlock,
  isTerminalRun,
  type PipelineRunStatus,
} from '../../src/domain/lifecycle.ts';
import type { BlockRecord, EventRecord, Evidence, RunRecord, Violation } from './evidence.ts';

/**
 * Holds the database against itself: every run is over, its events are numbered without a gap, and replaying them along the
 * lifecycle tables gives the statuses that are stored.
 */
export function checkHistory({ runs, blocks, events }: Pick<Evidence, 'runs' | 'blocks' | 'events'>): Violation[] {
  const eventsOf = Map.groupBy(events, (event) => event.runId);
  const blocksOf = Map.groupBy(blocks, (block) => block.runId);
  return runs.flatMap((run) => {
    const own = blocksOf.get(run.id) ?? [];
    return [...checkEnd(run, own), ...checkCounts(run, own), ...replay(run, own, eventsOf.get(run.id) ?? [])];
  });
}

function* checkEnd(run: RunRecord, blocks: readonly BlockRecord[]): Generator<Violation> {
  if (!isTerminalRun(run.status)) {
    const open = blocks.filter((block) => !isTerminalBlock(block.status)).map((b) => `${b.uuid} ${b.status}`);
    yield { rule: 'lost', message: `run ${run.id} is still ${run.status} (${open.join(', ')})` };
    return;
  }
  if (!run.isDated || run.reasonCode === null)
    yield { rule: 'end', message: `run ${run.id} is ${run.status} and does not say when or why` };
  for (const block of blocks) {
    if (!isTerminalBlock(block.status))
      yield { rule: 'end', message: `run ${run.id} is ${run.status} and its ${block.uuid} is ${block.status}` };
  }
}

function* checkCounts(run: RunRecord, blocks: readonly BlockRecord[]): Generator<Violation> {
  for (const [status, count] of Object.entries(run.counts)) {
    const found = blocks.filter((block) => block.status === status).length;
    if (found !== count)
      yield { rule: 'counts', message: `run ${run.id} counts ${count} block runs ${status}, there are ${found}` };
  }
}

function* replay(run: RunRecord, blocks: readonly BlockRecord[], events: readonly EventRecord[]): Generator<Violation> {
  let runStatus: PipelineRunStatus = 'initial';
  const statuses = new Map<number, BlockRunStatus>(blocks.map((block) => [block.id, 'initial']));
  for (const [index, event] of events.entries()) {
    const place = `run ${run.id}, event ${event.seq}`;
    if (event.seq !== index + 1) yield { rule: 'seq', message: `${place} stands where ${index + 1} belongs` };
    if (event.kind === 'run_status_changed') {
      const to = event.to as PipelineRunStatus;
      if (event.from !== runStatus || !isLegalRunMove(runStatus, to))
        yield { rule: 'transition', message: `${place}: the run goes ${event.from} → ${to} while it is ${runStatus}` };
      runStatus = to;
    } else if (event.kind === 'block_status_changed' && event.blockRunId !== null) {
      const before = statuses.get(event.blockRunId) ?? null;
      const to = event.to as BlockRunStatus;
      if (event.from !== before || !isLegalBlockMove(before, to))
        yield {
          rule: 'transition',
          message: `${place}: block run ${event.blockRunId} goes ${event.from} → ${to} while it is ${before}`,
        };
      statuses.set(event.blockRunId, to);
    }
  }
  if (run.eventSeq !== events.length)
    yield { rule: 'seq', message: `run ${run.id} has ${events.length} events and says ${run.eventSeq}` };
  if (runStatus !== run.status)
    yield { rule: 'replay', message: `run ${run.id} is ${run.status}; its events say ${runStatus}` };
  for (const block of blocks) {
    const replayed = statuses.get(block.id);
    if (replayed !== block.status)
      yield { rule: 'replay', message: `run ${run.id}: ${block.uuid} is ${block.status}; its events say ${replayed}` };
  }
}
