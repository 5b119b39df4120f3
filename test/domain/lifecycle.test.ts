import { describe, expect, test } from 'vitest';
import {
  blockRunMoves,
  blockRunStatuses,
  isLegalBlockMove,
  isLegalRunMove,
  isTerminalBlock,
  isTerminalRun,
  pipelineRunMoves,
  pipelineRunStatuses,
} from '../../src/domain/lifecycle.ts';

/** Every legal move, written a second time by hand: row = from, the letters of the statuses that it may become. */
const runTable = {
  initial: ['running', 'failed', 'cancelled'],
  running: ['completed', 'failed', 'cancelled'],
  completed: ['initial'],
  failed: ['initial'],
  cancelled: ['initial'],
} as const;

const blockTable = {
  initial: ['queued', 'upstream_failed', 'condition_failed', 'cancelled'],
  queued: ['running', 'cancelled'],
  running: ['completed', 'failed', 'queued', 'condition_failed', 'cancelled'],
  completed: ['initial'],
  failed: ['initial'],
  cancelled: ['initial'],
  upstream_failed: ['initial'],
  condition_failed: ['initial'],
} as const;

describe('the transition tables', () => {
  test.each(pipelineRunStatuses.flatMap((from) => pipelineRunStatuses.map((to) => [from, to] as const)))(
    'a run from %s to %s',
    (from, to) => {
      expect(isLegalRunMove(from, to)).toBe((runTable[from] as readonly string[]).includes(to));
    },
  );

  test.each(blockRunStatuses.flatMap((from) => blockRunStatuses.map((to) => [from, to] as const)))(
    'a block run from %s to %s',
    (from, to) => {
      expect(isLegalBlockMove(from, to)).toBe((blockTable[from] as readonly string[]).includes(to));
    },
  );

  test('nothing is born into any other status than initial', () => {
    expect(pipelineRunMoves.filter((move) => move.from === null).map((move) => move.to)).toEqual(['initial']);
    expect(blockRunMoves.filter((move) => move.from === null).map((move) => move.to)).toEqual(['initial']);
  });

  test('what has ended leaves its end by a retry only', () => {
    for (const move of pipelineRunMoves) if (move.from && isTerminalRun(move.from)) expect(move.to).toBe('initial');
    for (const move of blockRunMoves) if (move.from && isTerminalBlock(move.from)) expect(move.to).toBe('initial');
  });

  test('every move says when', () => {
    for (const move of [...pipelineRunMoves, ...blockRunMoves]) expect(move.when.length).toBeGreaterThan(10);
  });
});
