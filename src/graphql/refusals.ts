import type { Refusal } from '../domain/refusal.ts';
import { builder, forViewers } from './builder.ts';
import { DefinitionProblemRef } from './definition-problem.ts';
import { formatId } from './ids.ts';

/** Refused actions as data: one type per kind of refusal, all of them a UserError. */

const codes = {
  NOT_FOUND: 'What the action is about does not exist, or is not visible to the caller.',
  FORBIDDEN: "The caller's role does not allow the action.",
  INVALID_INPUT: 'The input can not be meant; `path` says where it lies.',
  INVALID_STATE: 'The status of the run does not allow the action.',
  CONFLICT: 'Something else stands in the way.',
  LIMIT_EXCEEDED: 'More than is done at once.',
  PLAN_EXPIRED: 'The previewed batch can not be carried out any more.',
  PIPELINE_INVALID: "The pipeline's files have errors.",
} as const;

const ErrorCode = builder.enumType('ErrorCode', {
  description: 'Why an action was refused, for programs.',
  values: Object.fromEntries(Object.entries(codes).map(([code, description]) => [code, { description }])) as {
    [Code in keyof typeof codes]: { description: string };
  },
});

export const UserErrorRef = builder.interfaceRef<Refusal>('UserError').implement({
  description:
    'What every refused action says: a code for programs, a sentence for people, the input path where it lies.',
  authScopes: forViewers,
  resolveType: (refusal) => typeNames[refusal.code],
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'For programs.' }),
    message: t.exposeString('message', { description: 'For people: what happened and what to do.' }),
    path: t.stringList({
      nullable: true,
      description: 'Where in the input the cause lies, for instance `["variables", "limit"]`; null when nowhere.',
      resolve: (refusal) => refusal.path ?? null,
    }),
  }),
});

const typeNames = {
  NOT_FOUND: 'NotFoundError',
  FORBIDDEN: 'ForbiddenError',
  INVALID_INPUT: 'InvalidInputError',
  INVALID_STATE: 'InvalidStateError',
  CONFLICT: 'ConflictError',
  LIMIT_EXCEEDED: 'LimitExceededError',
  PLAN_EXPIRED: 'PlanExpiredError',
  PIPELINE_INVALID: 'PipelineInvalidError',
} as const satisfies Record<Refusal['code'], string>;

type RefusalOf<Code extends Refusal['code']> = Extract<Refusal, { readonly code: Code }>;

export const NotFoundError = builder.objectRef<RefusalOf<'NOT_FOUND'>>(typeNames.NOT_FOUND).implement({
  description: 'There is no such thing, or none that the caller may see.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
});

export const ForbiddenError = builder.objectRef<RefusalOf<'FORBIDDEN'>>(typeNames.FORBIDDEN).implement({
  description: "The caller's role does not allow the action.",
  interfaces: [UserErrorRef],
  authScopes: forViewers,
});

export const InvalidInputError = builder.objectRef<RefusalOf<'INVALID_INPUT'>>(typeNames.INVALID_INPUT).implement({
  description: 'The input can not be meant; `path` says where it lies.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
});

export const InvalidStateError = builder.objectRef<RefusalOf<'INVALID_STATE'>>(typeNames.INVALID_STATE).implement({
  description: 'The run is in a status that does not allow the action.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
  fields: (t) => ({
    currentStatus: t.string({
      description: 'The status that the run is in, for instance `RUNNING`.',
      resolve: (refusal) => refusal.currentStatus.toUpperCase(),
    }),
  }),
});

export const ConflictError = builder.objectRef<RefusalOf<'CONFLICT'>>(typeNames.CONFLICT).implement({
  description: 'Something else stands in the way.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
  fields: (t) => ({
    existingId: t.id({
      nullable: true,
      description: 'What stands in the way, for instance the run made with the same key.',
      resolve: ({ existingRunId, existingBatchId }) => {
        if (existingBatchId !== undefined) return formatId('bop', existingBatchId);
        return existingRunId === undefined ? null : formatId('run', existingRunId);
      },
    }),
  }),
});

builder.objectRef<RefusalOf<'LIMIT_EXCEEDED'>>(typeNames.LIMIT_EXCEEDED).implement({
  description: 'More was asked for than is done at once.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
  fields: (t) => ({ limit: t.exposeInt('limit', { description: 'How many there may be.' }) }),
});

builder.objectRef<RefusalOf<'PLAN_EXPIRED'>>(typeNames.PLAN_EXPIRED).implement({
  description: 'There is no such preview, or its time is over: preview again.',
  interfaces: [UserErrorRef],
  authScopes: forViewers,
});

export const PipelineInvalidError = builder
  .objectRef<RefusalOf<'PIPELINE_INVALID'>>(typeNames.PIPELINE_INVALID)
  .implement({
    description: "The pipeline's files have errors: it can not run until they are mended.",
    interfaces: [UserErrorRef],
    authScopes: forViewers,
    fields: (t) => ({
      problems: t.field({
        type: [DefinitionProblemRef],
        description: 'What is wrong, with file and line.',
        resolve: (refusal) => [...refusal.problems],
      }),
    }),
  });

/** The name of the type that shows a refusal, for the unions of mutation results. */
export function refusalTypeName(refusal: Refusal): (typeof typeNames)[Refusal['code']] {
  return typeNames[refusal.code];
}

/** What a mutation answers to somebody whose role is too small. */
export function forbiddenAction(action: string, role: 'OPERATOR' | 'ADMIN' = 'OPERATOR'): RefusalOf<'FORBIDDEN'> {
  return { code: 'FORBIDDEN', message: `Your role doesn't allow you to ${action}; ${role} does.` };
}
