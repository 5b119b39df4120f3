import { expect, test } from 'vitest';
import { type AdmissionSnapshot, planAdmission } from '../../src/domain/admission.ts';

const at = (minute: number) => new Date(Date.UTC(2023, 4, 1, 1, minute));
const candidate = (id: bigint, triggerId: bigint | null, minute: number) => ({
  id,
  pipelineUuid: 'p',
  triggerId,
  executionDate: at(minute),
  isOfBackfill: false,
  isSkippable: false,
});
const snapshot = (given: Partial<AdmissionSnapshot>): AdmissionSnapshot => ({
  candidates: [],
  running: [],
  limits: new Map(),
  triggerLimits: new Map(),
  ...given,
});

test('without limits everything starts, oldest logical date first, then by id', () => {
  const candidates = [candidate(3n, 1n, 5), candidate(2n, null, 5), candidate(1n, 2n, 9)];
  expect(planAdmission(snapshot({ candidates })).start).toEqual([2n, 3n, 1n]);
});

test('all triggers together: the two oldest of three', () => {
  const candidates = [candidate(1n, 1n, 20), candidate(2n, 2n, 0), candidate(3n, 3n, 10)];
  const limits = new Map([['p', { perGroup: null, allTriggers: 2, onReached: 'wait' as const }]]);
  expect(planAdmission(snapshot({ candidates, limits })).start).toEqual([2n, 3n]);
});

test('one per trigger, two in all, one running: trigger 1 waits, 2 runs, 3 waits', () => {
  const candidates = [candidate(11n, 1n, 0), candidate(12n, 2n, 1), candidate(13n, 3n, 2)];
  const limits = new Map([['p', { perGroup: 1, allTriggers: 2, onReached: 'wait' as const }]]);
  const running = [{ pipelineUuid: 'p', triggerId: 1n, count: 1 }];
  expect(planAdmission(snapshot({ candidates, limits, running })).start).toEqual([12n]);
});

test('more running than a lowered limit: nothing new starts and nothing breaks', () => {
  const limits = new Map([['p', { perGroup: null, allTriggers: 1, onReached: 'wait' as const }]]);
  const running = [{ pipelineUuid: 'p', triggerId: null, count: 5 }];
  expect(planAdmission(snapshot({ candidates: [candidate(1n, null, 0)], limits, running })).start).toEqual([]);
});

test('a trigger’s own limit overrides its pipeline’s', () => {
  const candidates = [candidate(1n, 7n, 0), candidate(2n, 7n, 1), candidate(3n, 7n, 2)];
  const limits = new Map([['p', { perGroup: 1, allTriggers: null, onReached: 'wait' as const }]]);
  expect(planAdmission(snapshot({ candidates, limits, triggerLimits: new Map([[7n, 2]]) })).start).toEqual([1n, 2n]);
});

test('where a pipeline says skip, runs over the limit that a tick made are skipped with the limit’s name; a person’s run waits', () => {
  const ofTick = { isSkippable: true };
  const candidates = [
    { ...candidate(11n, 1n, 0), ...ofTick },
    { ...candidate(12n, 2n, 1), ...ofTick },
    { ...candidate(13n, 3n, 2), ...ofTick },
    candidate(14n, 3n, 3),
  ];
  const limits = new Map([['p', { perGroup: 1, allTriggers: 2, onReached: 'skip' as const }]]);
  const running = [{ pipelineUuid: 'p', triggerId: 1n, count: 1 }];
  const plan = planAdmission(snapshot({ candidates, limits, running }));
  expect(plan).toMatchObject({ start: [12n], skip: [{ id: 11n }, { id: 13n }], waiting: 1 });
  expect(plan.skip.map(({ reason }) => reason.message)).toEqual([
    expect.stringContaining('1 run of its trigger ran when it was to start, and pipeline_run_limit allows 1'),
    expect.stringContaining(
      '2 runs of its pipeline ran when it was to start, and pipeline_run_limit_all_triggers allows 2',
    ),
  ]);
});

test('runs of a backfill start after the others, whatever their dates', () => {
  const candidates = [{ ...candidate(1n, null, 0), isOfBackfill: true }, candidate(2n, null, 9)];
  expect(planAdmission(snapshot({ candidates })).start).toEqual([2n, 1n]);
});
