import { expect, test } from 'vitest';
import { judgeConditions } from '../../src/domain/condition.ts';

const boom = { blockUuid: 'c', type: 'ValueError', message: 'boom', stackTrace: null };

test('a block runs when every conditional said true, or there is none', () => {
  expect(judgeConditions([])).toBeNull();
  expect(
    judgeConditions([
      { uuid: 'a', said: true },
      { uuid: 'b', said: true },
    ]),
  ).toBeNull();
});

test('one that said false skips it, and is named', () => {
  expect(
    judgeConditions([
      { uuid: 'a', said: true },
      { uuid: 'b', said: false },
    ]),
  ).toEqual({
    code: 'CONDITION_FALSE',
    message: 'Its conditional b said no.',
    error: null,
  });
});

test('one that raised skips it too, and is told before those that said false', () => {
  expect(
    judgeConditions([
      { uuid: 'b', said: false },
      { uuid: 'c', error: boom },
    ]),
  ).toMatchObject({
    code: 'CONDITION_ERROR',
    message: expect.stringContaining('c could not say whether it should run: boom'),
    error: boom,
  });
});
