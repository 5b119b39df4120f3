import type { DefinitionProblem } from './pipeline.ts';

/** Why an action was not carried out: expected, sayable, and data rather than an exception. `path` points into the caller's input. */
export type Refusal =
  | { readonly code: 'NOT_FOUND'; readonly message: string; readonly path?: readonly string[] }
  | { readonly code: 'FORBIDDEN'; readonly message: string; readonly path?: readonly string[] }
  | { readonly code: 'INVALID_INPUT'; readonly message: string; readonly path?: readonly string[] }
  | {
      readonly code: 'INVALID_STATE';
      readonly message: string;
      readonly path?: readonly string[];
      readonly currentStatus: string;
    }
  | {
      readonly code: 'CONFLICT';
      readonly message: string;
      readonly path?: readonly string[];
      /** The run that stands in the way. */
      readonly existingRunId?: bigint;
      /** The batch that stands in the way. */
      readonly existingBatchId?: bigint;
    }
  | {
      readonly code: 'LIMIT_EXCEEDED';
      readonly message: string;
      readonly path?: readonly string[];
      readonly limit: number;
    }
  | { readonly code: 'PLAN_EXPIRED'; readonly message: string; readonly path?: readonly string[] }
  | {
      readonly code: 'PIPELINE_INVALID';
      readonly message: string;
      readonly path?: readonly string[];
      readonly problems: readonly DefinitionProblem[];
    };

/** The answer of a verb that can be refused. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export function done<T>(value: T): Answer<T> {
  return { ok: true, value };
}

export function refused<T = never>(refusal: Refusal): Answer<T> {
  return { ok: false, refusal };
}
