import { expect, test } from 'vitest';
import {
  type CallingBlock,
  decideChildRun,
  deepestRun,
  type EarlierChild,
  mostCalls,
} from '../../src/domain/child-run.ts';

const block: CallingBlock = { uuid: 'ask', isCurrent: true, retries: 0, depth: 0 };
const earlier: EarlierChild = { id: 7n, key: 1, status: 'running', waits: true };

/** What call 1 comes to: the run that it finds, or 'new'. */
function comesTo(retries: number, child: Partial<EarlierChild>) {
  const answer = decideChildRun({ ...block, retries }, 1, { ...earlier, ...child });
  return answer.ok ? ('found' in answer.value ? answer.value.found : 'new') : answer.refusal.code;
}

test.each(['initial', 'running', 'completed', 'failed', 'cancelled'] as const)(
  'a lost attempt that is repeated finds its run, which is %s',
  (status) => {
    expect(comesTo(0, { status })).toBe(7n);
    expect(comesTo(0, { status, waits: false })).toBe(7n);
  },
);

test.each([
  ['completed', true, 7n],
  ['completed', false, 7n],
  ['running', false, 7n],
  ['initial', false, 7n],
  ['running', true, 'new'],
  ['failed', true, 'new'],
  ['failed', false, 'new'],
  ['cancelled', true, 'new'],
  ['cancelled', false, 'new'],
] as const)('after an automatic retry, a run that is %s (waited for: %s) comes to: %s', (status, waits, result) => {
  expect(comesTo(1, { status, waits })).toBe(result);
});

test('the keys of calls differ between calls and between retries', () => {
  const keys = [0, 1, 2].flatMap((retries) =>
    [1, 2, mostCalls - 1].map((call) => {
      const answer = decideChildRun({ ...block, retries }, call, null);
      return answer.ok && 'key' in answer.value ? answer.value.key : null;
    }),
  );
  expect(new Set(keys).size).toBe(9);
  expect(keys).not.toContain(null);
});

test('too many calls, runs too deep and attempts that are over are refused with a sentence', () => {
  const refusal = (given: Partial<CallingBlock>, call = 1) => {
    const answer = decideChildRun({ ...block, ...given }, call, null);
    return answer.ok ? null : answer.refusal.message;
  };
  expect(refusal({}, mostCalls)).toMatch(/has started 9999 runs/);
  expect(refusal({ depth: deepestRun })).toMatch(/Does a pipeline start itself\?/);
  expect(refusal({ isCurrent: false })).toBe('Block ask is being stopped, so it starts no other run.');
  expect(refusal({ depth: deepestRun - 1 }, mostCalls - 1)).toBe(null);
});
