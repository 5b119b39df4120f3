import type { Answer, Refusal } from '../domain/refusal.ts';
import { builder, forViewers } from './builder.ts';
import { formatId, parseId } from './ids.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { UserErrorRef } from './refusals.ts';

/** Doing something to chosen runs: each is decided by itself, and answers for itself. */

type Result = { readonly givenId: string; readonly runId: bigint | null; readonly refusal: Refusal | null };

const BatchResultRef = builder.objectRef<Result>('BatchResult').implement({
  description:
    'What happened to one run: `pipelineRun` is its state afterwards (the new run for RetryMode ALL), `error` why it was refused.',
  authScopes: forViewers,
  fields: (t) => ({
    pipelineRunId: t.id({ description: 'The id that was given.', resolve: ({ givenId }) => givenId }),
    pipelineRun: t.field({
      type: PipelineRunRef,
      nullable: true,
      description: 'The run afterwards; null when there is none of that id.',
      resolve: ({ runId }, _args, { loaders }) => (runId === null ? null : loaders.pipelineRun.load(runId)),
    }),
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description: 'Why it was refused; null when it was done.',
      resolve: ({ refusal }) => refusal,
    }),
  }),
});

export type BatchPayload = { readonly error: Refusal | null; readonly results: readonly Result[] };

export const PipelineRunBatchPayload = builder.objectRef<BatchPayload>('PipelineRunBatchPayload').implement({
  description: 'In the order of the ids given.',
  authScopes: forViewers,
  fields: (t) => ({
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description: 'Why the whole was refused; then nothing was done.',
      resolve: ({ error }) => error,
    }),
    results: t.field({
      type: [BatchResultRef],
      description: 'One for each id, in their order.',
      resolve: ({ results }) => [...results],
    }),
  }),
});

const mostRuns = 1_000;

export const PipelineRunSelection = builder.inputType('PipelineRunSelection', {
  description: 'Which runs.',
  fields: (t) => ({
    ids: t.idList({ description: 'By their ids: at least one, at most 1,000.' }),
  }),
});

/** Runs at a time: each is a transaction of its own, and others want connections too. */
const atOnce = 4;

/** Acts on each run of a selection by ids; answers in their order. The whole is refused when there are none or too many. */
export async function forEachRun(
  ids: readonly string[] | null | undefined,
  act: (runId: bigint) => Promise<Answer<{ readonly runId: bigint }>>,
): Promise<BatchPayload> {
  if (!ids || ids.length === 0 || ids.length > mostRuns) {
    const message = ids?.length
      ? `${ids.length} runs; at most ${mostRuns} can be chosen at once.`
      : 'Choose at least one run: selection.ids is empty.';
    return { error: { code: 'INVALID_INPUT', path: ['input', 'selection', 'ids'], message }, results: [] };
  }
  const results: Result[] = [];
  const waiting = ids.entries();
  const work = async () => {
    for (const [index, givenId] of waiting) results[index] = await actOn(givenId, act);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { error: null, results };
}

async function actOn(
  givenId: string,
  act: (runId: bigint) => Promise<Answer<{ readonly runId: bigint }>>,
): Promise<Result> {
  const runId = parseId('run', givenId);
  if (runId === null) {
    const message = `${JSON.stringify(givenId)} is not the id of a pipeline run; one looks like ${formatId('run', 1042n)}.`;
    return { givenId, runId: null, refusal: { code: 'INVALID_INPUT', message } };
  }
  const answer = await act(runId);
  return answer.ok
    ? { givenId, runId: answer.value.runId, refusal: null }
    : { givenId, runId, refusal: answer.refusal };
}
