import type { Answerer } from '../executor.ts';

/** The answer where nobody answers: to a condition, and to a callback. */
export const noAnswer: Answerer = async () => ({
  ok: false,
  type: 'NotHere',
  message: 'A condition or a callback can start no runs: only a block can.',
});
