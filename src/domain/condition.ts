import type { RunError, StatusReasonCode } from './lifecycle.ts';

/** What one attached conditional said of a block, or that it could not say. */
export type ConditionAnswer =
  | { readonly uuid: string; readonly said: boolean }
  | { readonly uuid: string; readonly error: RunError };

/** Why a block is skipped. */
export type Skip = {
  readonly code: Extract<StatusReasonCode, 'CONDITION_FALSE' | 'CONDITION_ERROR'>;
  readonly message: string;
  readonly error: RunError | null;
};

/** Judges the answers of all conditionals of a block: it runs when each said true; null then. One that raised counts as false, and is told first. */
export function judgeConditions(answers: readonly ConditionAnswer[]): Skip | null {
  const raised = answers.find((answer) => 'error' in answer);
  if (raised) {
    const message = `Its conditional ${raised.uuid} could not say whether it should run: ${raised.error.message}`;
    return { code: 'CONDITION_ERROR', message, error: raised.error };
  }
  const against = answers.filter((answer) => 'said' in answer && !answer.said).map((answer) => answer.uuid);
  if (against.length === 0) return null;
  const message = `Its conditional${against.length > 1 ? 's' : ''} ${against.join(' and ')} said no.`;
  return { code: 'CONDITION_FALSE', message, error: null };
}
