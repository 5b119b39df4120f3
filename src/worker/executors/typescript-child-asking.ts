import type { TriggeredRun, TriggerPipelineOptions } from '../../block.ts';
import type { Attempt } from './typescript-child-current.ts';
import { BlockMistake } from './typescript-child-errors.ts';
import type { AnswerFrame, ChildFrame } from './typescript-protocol.ts';

/** What the code of one attempt asks of the worker, over the process' own channel: no token is needed. */
export type Asking = {
  readonly triggerPipeline: (pipelineUuid: string, options?: TriggerPipelineOptions) => Promise<TriggeredRun>;
  /** The attempt is over: what it asked and did not wait for is forgotten, and it asks nothing any more. */
  readonly close: () => void;
};

export type AskingOptions = {
  readonly send: (frame: ChildFrame) => void;
  /** Keeps the process going while an answer is due, or lets it go. */
  readonly hold: (isHeld: boolean) => void;
};

type Reply = AnswerFrame['reply'];

/** The numbers of questions go on from attempt to attempt, so that an answer that comes late is nobody's. */
let asked = 0;
const open = new Map<number, (reply: Reply) => void>();

/** Hands an answer to whoever asked. */
export function hear({ answerTo, reply }: AnswerFrame): void {
  open.get(answerTo)?.(reply);
}

export function openAsking({ send, hold }: AskingOptions, attempt: Attempt): Asking {
  const mine = new Set<number>();
  let isOver = false;

  function ask(request: object): Promise<Reply> {
    if (isOver) {
      throw new BlockMistake('AttemptOver', 'The block has ended; what it left behind can start no run any more.');
    }
    const id = ++asked;
    const { signal } = attempt.abort;
    return new Promise((resolve, reject) => {
      const settle = () => {
        signal.removeEventListener('abort', onAbort);
        forget(id);
      };
      const onAbort = () => {
        settle();
        reject(signal.reason);
      };
      send({ type: 'ask', id, request });
      mine.add(id);
      open.set(id, (reply) => {
        settle();
        resolve(reply);
      });
      signal.addEventListener('abort', onAbort);
      hold(true);
    });
  }

  function forget(id: number): void {
    open.delete(id);
    mine.delete(id);
    if (mine.size === 0) hold(false);
  }

  return {
    triggerPipeline: async (pipelineUuid, { variables = {}, wait = false, trigger = null } = {}) => {
      const what = { pipelineUuid, variables, triggerName: trigger, waits: wait, patienceSeconds: null };
      const reply = await ask({ method: 'triggerPipeline', ...what });
      if (!reply.ok) throw new BlockMistake(reply.type, reply.message);
      const run = reply.value as TriggeredRun & { readonly reason: string | null };
      if (wait && run.status !== 'completed') {
        const message = `run_${run.pipelineRunId} of pipeline ${pipelineUuid} is ${run.status}: ${run.reason}`;
        throw Object.assign(new BlockMistake('ChildRunError', message), { run });
      }
      return { pipelineRunId: run.pipelineRunId, status: run.status };
    },
    close: () => {
      isOver = true;
      for (const id of mine) forget(id);
    },
  };
}
