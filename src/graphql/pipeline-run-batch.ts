import type { Answer, Refusal } from '../domain/refusal.ts';
import type { Principal } from './access.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { formatId, parseId } from './ids.ts';
import { refuseJson } from './json-input.ts';
import { PipelineRunRef, RetryModeRef } from './pipeline-run.ts';
import { forbiddenAction, UserErrorRef } from './refusals.ts';

/** Retrying and cancelling chosen runs: each is decided by itself, and answers for itself. */

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

type Payload = { readonly error: Refusal | null; readonly results: readonly Result[] };

const PipelineRunBatchPayload = builder.objectRef<Payload>('PipelineRunBatchPayload').implement({
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

const PipelineRunSelection = builder.inputType('PipelineRunSelection', {
  description: 'Which runs.',
  fields: (t) => ({
    ids: t.idList({ description: 'By their ids: at least one, at most 1,000.' }),
  }),
});

const RetryPipelineRunsInput = builder.inputType('RetryPipelineRunsInput', {
  description: 'Which runs to retry, and how.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    mode: t.field({ type: RetryModeRef, description: 'INCOMPLETE unless given.' }),
    fromBlock: t.string({ description: 'With mode FROM_BLOCK: the uuid of the block.' }),
    variables: t.field({
      type: 'JSONObject',
      description: 'Overrides for this and later attempts. A value equal to its mask means unchanged.',
    }),
    reason: t.string({ description: 'For the history: why.' }),
    expectedAttempt: t.int({
      description: 'Refuses a run whose attempt is another: one effect for many callers.',
    }),
  }),
});

const CancelPipelineRunsInput = builder.inputType('CancelPipelineRunsInput', {
  description: 'Which runs to cancel.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    reason: t.string({ description: 'For the history: why.' }),
  }),
});

builder.mutationFields((t) => ({
  retryPipelineRuns: t.field({
    type: PipelineRunBatchPayload,
    description: 'Retry selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('retry runs'), results: [] }),
    args: { input: t.arg({ type: RetryPipelineRunsInput, required: true, description: 'Which, and how.' }) },
    resolve: async (_root, { input }, context) => retry(context, input),
  }),
  cancelPipelineRuns: t.field({
    type: PipelineRunBatchPayload,
    description: 'Cancel selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('cancel runs'), results: [] }),
    args: { input: t.arg({ type: CancelPipelineRunsInput, required: true, description: 'Which.' }) },
    resolve: async (_root, { input }, { engine, principal }) => {
      const { actor, reason } = { actor: (principal as Principal).name, reason: input.reason ?? null };
      return forEachRun(input.selection.ids, (runId) => engine.cancelPipelineRun({ runId, reason, actor }));
    },
  }),
}));

function retry(
  { engine, principal }: GraphQLContext,
  input: typeof RetryPipelineRunsInput.$inferInput,
): Promise<Payload> | Payload {
  const mode = input.mode ?? 'incomplete';
  const refusal = refuseMode(mode, input.fromBlock) ?? refuseJson(input.variables ?? {}, ['input', 'variables']);
  if (refusal) return { error: refusal, results: [] };
  const shared = {
    mode,
    fromBlock: input.fromBlock ?? null,
    variables: input.variables ?? {},
    reason: input.reason ?? null,
    expectedAttempt: input.expectedAttempt ?? null,
    actor: (principal as Principal).name,
  };
  return forEachRun(input.selection.ids, (runId) => engine.retryPipelineRun({ runId, ...shared }));
}

function refuseMode(mode: 'incomplete' | 'from_block' | 'all', fromBlock: string | null | undefined): Refusal | null {
  const path = ['input', 'fromBlock'];
  if (mode === 'from_block' && !fromBlock) {
    return { code: 'INVALID_INPUT', path, message: 'FROM_BLOCK needs `fromBlock`: the uuid of the block.' };
  }
  if (mode !== 'from_block' && fromBlock) {
    return { code: 'INVALID_INPUT', path, message: '`fromBlock` goes with the mode FROM_BLOCK only.' };
  }
  return null;
}

/** Runs at a time: each is a transaction of its own, and others want connections too. */
const atOnce = 4;

async function forEachRun(
  ids: readonly string[] | null | undefined,
  act: (runId: bigint) => Promise<Answer<{ readonly runId: bigint }>>,
): Promise<Payload> {
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
