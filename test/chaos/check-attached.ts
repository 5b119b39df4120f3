import { isTerminalBlock } from '../../src/domain/lifecycle.ts';
import type { BlockRecord, CallbackRecord, Evidence, JournalLine, Violation } from './evidence.ts';

/**
 * Holds what is attached to blocks against the blocks: a condition's no keeps its block out, its yes lets it in; and how a block ended is told
 * once to each of its callbacks, before its run ends.
 */
export function checkAttached({
  journal,
  blocks,
  callbacks,
}: Pick<Evidence, 'journal' | 'blocks' | 'callbacks'>): Violation[] {
  const linesOf = Map.groupBy(journal, (line) => `${line.runId} ${line.blockUuid}`);
  const callbacksOf = Map.groupBy(callbacks, (callback) => callback.blockRunId);
  return blocks.flatMap((block) => {
    const lines = linesOf.get(`${block.runId} ${block.uuid}`) ?? [];
    const own = callbacksOf.get(block.id) ?? [];
    return [...checkConditions(block, lines), ...checkOwed(block, own), ...checkTold(block, lines, own)];
  });
}

/** The newest answer is the one that counts: a worker may be lost between the question and the start. */
function* checkConditions(block: BlockRecord, lines: readonly JournalLine[]): Generator<Violation> {
  const answers = lines.filter((line) => line.what === 'let_in' || line.what === 'kept_out');
  for (const [fence, ofFence] of Map.groupBy(answers, (line) => line.fence)) {
    if (ofFence.length > 1)
      yield { rule: 'doubled', message: `${name(block)}: fence ${fence} was asked ${ofFence.length} times` };
    const hasStarted = lines.some((line) => line.what === 'start' && line.fence === fence);
    if (hasStarted && ofFence[0]?.what === 'kept_out')
      yield { rule: 'kept_out', message: `${name(block)}: fence ${fence} was kept out and ran` };
  }
  const last = answers.reduce<JournalLine | null>((a, b) => (a === null || a.fence < b.fence ? b : a), null);
  if (last && block.status === 'condition_failed' && last.what === 'let_in')
    yield { rule: 'kept_out', message: `${name(block)} was let in by fence ${last.fence} and is skipped` };
}

/** Each end of a block that had started makes one callback run for each of its callbacks, and none stays open. */
function* checkOwed(block: BlockRecord, callbacks: readonly CallbackRecord[]): Generator<Violation> {
  for (const [attempt, made] of Map.groupBy(callbacks, (callback) => callback.attempt)) {
    const uuids = made.map((callback) => callback.uuid);
    if (new Set(uuids).size < uuids.length)
      yield {
        rule: 'doubled',
        message: `${name(block)}: attempt ${attempt} is told more than once (${uuids.join(', ')})`,
      };
  }
  for (const callback of callbacks) {
    const what = `${name(block)}: the callback ${callback.uuid} of attempt ${callback.attempt}`;
    if (callback.status === 'queued' || callback.status === 'running')
      yield { rule: 'lost', message: `${what} is still ${callback.status}` };
    if (callback.outlivesRun) yield { rule: 'order', message: `${what} ended after its run` };
  }
  const kind = kindOf(block);
  if (kind === null) return;
  for (const uuid of block.callbacks)
    if (
      !callbacks.some(
        (callback) => callback.attempt === block.attempt && callback.uuid === uuid && callback.kind === kind,
      )
    )
      yield { rule: 'silent', message: `${name(block)} is ${block.status}, and ${uuid} was not told` };
}

/** What a callback run says it did, the file has seen; and nobody is told what did not happen. */
function* checkTold(
  block: BlockRecord,
  lines: readonly JournalLine[],
  callbacks: readonly CallbackRecord[],
): Generator<Violation> {
  for (const kind of ['success', 'failure', 'cancelled'] as const) {
    const told = lines.filter((line) => line.what === `told_${kind}`).length;
    const ofKind = callbacks.filter((callback) => callback.kind === kind);
    const done = ofKind.filter((callback) => callback.status === 'completed').length;
    if (told < done)
      yield {
        rule: 'unfinished',
        message: `${name(block)}: ${done} callbacks of ${kind} count as completed, ${told} ran`,
      };
    if (told > 0 && ofKind.length === 0)
      yield { rule: 'unknown', message: `${name(block)}: a callback of ${kind} ran that the database does not know` };
  }
}

/** What the callbacks of a block in its present status are owed. */
function kindOf({ status, hasStarted }: BlockRecord): CallbackRecord['kind'] | null {
  if (!hasStarted || !isTerminalBlock(status)) return null;
  if (status === 'completed') return 'success';
  if (status === 'failed') return 'failure';
  return status === 'cancelled' ? 'cancelled' : null;
}

const name = (block: BlockRecord) => `run ${block.runId}, ${block.uuid}`;
