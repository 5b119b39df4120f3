import { setTimeout as pause } from 'node:timers/promises';
import type { Json } from '../domain/pipeline.ts';
import { askHasCompleted } from '../engine/ask-has-completed.ts';
import type { EngineContext } from '../engine/context.ts';
import { triggerChildRun } from '../engine/trigger-child-run.ts';
import { type ChildState, childStates, noteAwaitedChild } from '../store/child-runs.ts';
import type { Claim } from '../store/step.ts';
import { type BlockRequest, readBlockRequest } from './block-requests.ts';
import type { BlockReply } from './executor.ts';
import type { RunEnds } from './run-ends.ts';

/** What the code of one attempt asks of its worker, from the attempt's start to its end. */
export type BlockCalls = {
  /** Answers one request. Never rejects. */
  readonly answer: (request: unknown) => Promise<BlockReply>;
  /** Whether the code waits for a run that it has started: then it needs no slot. */
  readonly isWaiting: () => boolean;
  /** The attempt is over: nobody hears an answer any more. Settles when it is no longer noted as waiting. */
  readonly end: () => Promise<void>;
};

export type BlockCallsOptions = {
  readonly context: EngineContext;
  readonly runEnds: RunEnds;
  /** The code has begun to wait, or has stopped waiting. */
  readonly onWaiting: () => void;
};

/** An unreachable database is asked again after this long, in milliseconds. A call is safe to repeat. */
const retryMs = 500;

/** Makes the calls of one attempt. They are counted as they come, so that one that repeats a lost attempt counts alike. */
export function openBlockCalls(options: BlockCallsOptions, claim: Pick<Claim, 'id' | 'fence'>): BlockCalls {
  const { context, runEnds, onWaiting } = options;
  const { pool } = context.database;
  /** Made when somebody waits: an AbortController costs more than most attempts ask for. */
  let ending: AbortController | null = null;
  let isOver = false;
  let calls = 0;
  let waits = 0;
  let isNoted = false;

  async function respond(request: BlockRequest): Promise<BlockReply> {
    if (request.method === 'triggerPipeline') return trigger(request, ++calls);
    const answer = await persistently(() => askHasCompleted(context, request));
    return answer.ok ? { ok: true, value: answer.value } : failure(answer.refusal.code, answer.refusal.message);
  }

  async function trigger(
    request: Extract<BlockRequest, { method: 'triggerPipeline' }>,
    call: number,
  ): Promise<BlockReply> {
    const { pipelineUuid, variables, triggerName, waits: isAwaited } = request;
    const input = { blockRunId: claim.id, fence: claim.fence, call, pipelineUuid, variables, triggerName };
    isNoted ||= isAwaited;
    const answer = await persistently(() => triggerChildRun(context, { ...input, waits: isAwaited }));
    if (!answer.ok) return failure(answer.refusal.code, answer.refusal.message);
    const { runId } = answer.value;
    const state = isAwaited
      ? await untilItsEnd(runId, request.patienceSeconds)
      : ((await persistently(() => childStates(pool, [runId])))[0] ?? null);
    return state === null
      ? failure('NOT_FOUND', `run_${runId} was deleted before it ended.`)
      : { ok: true, value: told(state) };
  }

  async function untilItsEnd(runId: bigint, patienceSeconds: number | null): Promise<ChildState | null> {
    const patience = patienceSeconds === null ? [] : [AbortSignal.timeout(patienceSeconds * 1000)];
    waits += 1;
    onWaiting();
    ending ??= new AbortController();
    if (isOver) ending.abort();
    const state = await runEnds.endOf(runId, AbortSignal.any([ending.signal, ...patience]));
    waits -= 1;
    onWaiting();
    // Only the last of several waits takes the note away.
    if (waits === 0) await forget();
    return state;
  }

  async function forget(): Promise<void> {
    if (!isNoted) return;
    isNoted = false;
    await noteAwaitedChild(pool, claim.id, claim.fence, null).catch(() => {
      isNoted = true;
    });
  }

  async function persistently<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (isOver || !isOutage(error)) throw error;
        await pause(retryMs);
      }
    }
  }

  return {
    answer: async (written) => {
      const request = readBlockRequest(written);
      if (typeof request === 'string') return failure('INVALID_INPUT', request);
      try {
        return await respond(request);
      } catch (error) {
        return failure('INTERNAL_ERROR', error instanceof Error ? error.message : String(error));
      }
    },
    isWaiting: () => waits > 0,
    end: async () => {
      isOver = true;
      ending?.abort();
      await forget();
    },
  };
}

function told({ id, pipelineUuid, status, reason, executionDate }: ChildState): Json {
  return { pipelineRunId: Number(id), pipelineUuid, status, reason, executionDate: executionDate.toISOString() };
}

function failure(type: string, message: string): BlockReply {
  return { ok: false, type, message };
}

/** Whether the database could not be reached, or restarts: of these it is known that they pass. */
function isOutage(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (typeof code === 'string') return /^(08|57P|40|53)/.test(code) || code.startsWith('E');
  return error instanceof Error && /connection|timeout/i.test(error.message);
}
