import type { AttemptRecord, BlockRecord, Evidence, JournalLine, Violation } from './evidence.ts';

/** One attempt as the file knows it. */
type Witnessed = { readonly fence: number; readonly startNs: bigint; readonly endNs: bigint | null };

/**
 * Holds the database against what the blocks themselves wrote. Only the file can tell when a result was taken from the wrong
 * attempt: the database would look just as well.
 */
export function checkJournal({ journal, blocks, attempts, events }: Omit<Evidence, 'runs' | 'callbacks'>): Violation[] {
  const linesOf = Map.groupBy(journal, (line) => `${line.runId} ${line.blockUuid}`);
  const attemptsOf = Map.groupBy(attempts, (attempt) => attempt.blockRunId);
  const lost = new Set(
    events.filter((event) => event.kind === 'block_worker_lost').map((event) => `${event.blockRunId} ${event.attempt}`),
  );
  const seen = new Map(
    blocks.map((block) => [block.id, witnessed(linesOf.get(`${block.runId} ${block.uuid}`) ?? [])] as const),
  );
  return blocks.flatMap((block) => {
    const own = attemptsOf.get(block.id) ?? [];
    return [
      ...checkStarts(block, linesOf.get(`${block.runId} ${block.uuid}`) ?? [], own),
      ...checkSensor(block, linesOf.get(`${block.runId} ${block.uuid}`) ?? [], own),
      ...checkCompletions(block, seen.get(block.id)!, own),
      ...checkOverlaps(block, seen.get(block.id)!, own, lost),
      ...checkOrder(block, seen, own, attemptsOf),
    ];
  });
}

function witnessed(lines: readonly JournalLine[]): readonly Witnessed[] {
  const byFence = Map.groupBy(lines, (line) => line.fence);
  return [...byFence]
    .flatMap(([fence, own]) => {
      const start = own.find((line) => line.what === 'start');
      return start
        ? [{ fence, startNs: start.atNs, endNs: own.find((line) => line.what === 'end')?.atNs ?? null }]
        : [];
    })
    .sort((a, b) => a.fence - b.fence);
}

/** A claim is started once, and what was started had been claimed. */
function* checkStarts(
  block: BlockRecord,
  lines: readonly JournalLine[],
  attempts: readonly AttemptRecord[],
): Generator<Violation> {
  const own = lines.filter((line) => line.what === 'start' || line.what === 'end');
  for (const [fence, ofFence] of Map.groupBy(own, (line) => line.fence)) {
    const starts = ofFence.filter((line) => line.what === 'start').length;
    if (starts !== 1) yield { rule: 'doubled', message: `${name(block)}: fence ${fence} was started ${starts} times` };
    if (!attempts.some((attempt) => attempt.fence === fence))
      yield { rule: 'unknown', message: `${name(block)}: fence ${fence} ran and the database knows no such attempt` };
  }
}

/** A sensor that said yes is not asked any more. Its no's have no attempt of their own: one goes from its first call to its yes. */
function* checkSensor(
  block: BlockRecord,
  lines: readonly JournalLine[],
  attempts: readonly AttemptRecord[],
): Generator<Violation> {
  const completed = attempts.find((attempt) => attempt.status === 'completed');
  const isRepeated = attempts.some((attempt) => attempt.runAttempt > (completed?.runAttempt ?? 0));
  if (!completed || isRepeated) return;
  for (const { what, fence } of lines)
    if (what === 'not_yet' && fence > completed.fence)
      yield {
        rule: 'twice',
        message: `${name(block)}: it was asked with fence ${fence} after a yes with fence ${completed.fence}`,
      };
}

/** What counts as completed ran to its end, and within one attempt of the run nothing was started again after it. */
function* checkCompletions(
  block: BlockRecord,
  seen: readonly Witnessed[],
  attempts: readonly AttemptRecord[],
): Generator<Violation> {
  for (const completed of attempts.filter((attempt) => attempt.status === 'completed')) {
    const proof = seen.find((one) => one.fence === completed.fence);
    if (!proof || proof.endNs === null) {
      yield {
        rule: 'unfinished',
        message: `${name(block)}: attempt ${completed.number} (fence ${completed.fence}) counts as completed and never reached its end`,
      };
    }
    for (const later of attempts) {
      if (later.fence <= completed.fence || later.runAttempt !== completed.runAttempt) continue;
      if (seen.some((one) => one.fence === later.fence))
        yield {
          rule: 'twice',
          message: `${name(block)}: fence ${later.fence} ran after fence ${completed.fence} had completed it`,
        };
    }
  }
}

/** Attempts follow one another, but for that of a worker which was cut off and had not heard that it was replaced: the history tells of it. */
function* checkOverlaps(
  block: BlockRecord,
  seen: readonly Witnessed[],
  attempts: readonly AttemptRecord[],
  lost: ReadonlySet<string>,
): Generator<Violation> {
  for (const [index, later] of seen.entries()) {
    for (const earlier of seen.slice(0, index)) {
      if (earlier.endNs === null || earlier.endNs <= later.startNs) continue;
      const number = attempts.find((attempt) => attempt.fence === earlier.fence)?.number;
      if (lost.has(`${block.id} ${number}`)) continue;
      yield {
        rule: 'overlap',
        message: `${name(block)}: fences ${earlier.fence} and ${later.fence} ran at the same time, and no worker was lost`,
      };
    }
  }
}

/** A block begins after the attempts that completed its upstream blocks have reached their ends. */
function* checkOrder(
  block: BlockRecord,
  seen: ReadonlyMap<number, readonly Witnessed[]>,
  attempts: readonly AttemptRecord[],
  attemptsOf: ReadonlyMap<number, readonly AttemptRecord[]>,
): Generator<Violation> {
  for (const attempt of attempts) {
    const own = seen.get(block.id)!.find((one) => one.fence === attempt.fence);
    if (!own) continue;
    for (const upstream of block.upstream) {
      const completion = (attemptsOf.get(upstream) ?? []).find(
        (other) => other.status === 'completed' && other.runAttempt === attempt.runAttempt,
      );
      const end = (seen.get(upstream) ?? []).find((one) => one.fence === completion?.fence)?.endNs ?? null;
      if (end !== null && end > own.startNs)
        yield {
          rule: 'order',
          message: `${name(block)}: fence ${attempt.fence} began before its upstream block run ${upstream} had reached its end`,
        };
    }
  }
}

const name = (block: BlockRecord) => `run ${block.runId}, ${block.uuid}`;
