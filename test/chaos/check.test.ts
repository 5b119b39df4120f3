import { describe, expect, test } from 'vitest';
import { check } from './check.ts';
import { type AttemptRecord, type EventRecord, type Evidence, parseJournal } from './evidence.ts';

// Run 1: block `a` (id 10), then block `b` (id 11); a's first worker was lost while it ran, and what it did overlaps.
const history: readonly (readonly [kind: string, block: number | null, from: string | null, to: string | null])[] = [
  ['run_created', null, null, 'initial'],
  ['run_status_changed', null, 'initial', 'running'],
  ['block_status_changed', 10, 'initial', 'queued'],
  ['block_status_changed', 10, 'queued', 'running'],
  ['block_worker_lost', 10, null, null],
  ['block_status_changed', 10, 'running', 'queued'],
  ['block_status_changed', 10, 'queued', 'running'],
  ['block_status_changed', 10, 'running', 'completed'],
  ['block_status_changed', 11, 'initial', 'queued'],
  ['block_status_changed', 11, 'queued', 'running'],
  ['block_status_changed', 11, 'running', 'completed'],
  ['run_status_changed', null, 'running', 'completed'],
];
const events = history.map(
  ([kind, blockRunId, from, to], index): EventRecord => ({
    runId: 1,
    seq: index + 1,
    kind,
    runAttempt: 1,
    blockRunId,
    attempt: index < 6 ? 1 : 2,
    from,
    to,
  }),
);
const attempt = (blockRunId: number, number: number, given: Partial<AttemptRecord> = {}): AttemptRecord => ({
  blockRunId,
  number,
  runAttempt: 1,
  fence: number === 2 ? 3 : 1,
  status: 'completed',
  ...given,
});
const text = `start 1 a 1 501 100
start 1 a 3 502 200
end 1 a 1 501 210
end 1 a 3 502 250
let_in 1 b 1 502 290
start 1 b 1 502 300
end 1 b 1 502 350
told_success 1 b 1 502 360
`;
const sound: Evidence = {
  journal: parseJournal(text),
  runs: [
    {
      id: 1,
      status: 'completed',
      eventSeq: 12,
      isDated: true,
      reasonCode: 'SUCCEEDED',
      counts: { completed: 2, running: 0 },
    },
  ],
  blocks: [
    { id: 10, runId: 1, uuid: 'a', status: 'completed', upstream: [], attempt: 2, hasStarted: true, callbacks: [] },
    {
      id: 11,
      runId: 1,
      uuid: 'b',
      status: 'completed',
      upstream: [10],
      attempt: 1,
      hasStarted: true,
      callbacks: ['tell'],
    },
  ],
  callbacks: [
    { runId: 1, blockRunId: 11, attempt: 1, uuid: 'tell', kind: 'success', status: 'completed', outlivesRun: false },
  ],
  attempts: [attempt(10, 1, { status: 'failed' }), attempt(10, 2), attempt(11, 1)],
  events,
};
const rulesOf = (given: Partial<Evidence>) => [
  ...new Set(check({ ...sound, ...given }).map((violation) => violation.rule)),
];
const journal = (changed: string) => ({ journal: parseJournal(changed) });

test('a history in which a lost worker went on for a while is in order', () => {
  expect(check(sound)).toEqual([]);
});

test('a line that a SIGKILL cut short is no line', () => {
  expect(parseJournal('start 1 a 1 501 100\nend 1 a 1 5')).toHaveLength(1);
  expect(() => parseJournal('begin 1\n')).toThrow('no block writes');
});

describe('the file tells of', () => {
  test('two attempts at the same time that no lost worker explains', () => {
    expect(
      rulesOf({ events: events.map((e) => (e.kind === 'block_worker_lost' ? { ...e, kind: 'other' } : e)) }),
    ).toEqual(['overlap']);
  });
  test('a block that began before its upstream had reached its end', () => {
    expect(rulesOf(journal(text.replace('b 1 502 300', 'b 1 502 240')))).toEqual(['order']);
  });
  test('a completed attempt that never reached its end', () => {
    expect(rulesOf(journal(text.replace('end 1 a 3 502 250\n', '')))).toEqual(['unfinished']);
  });
  test('one that ran again after it was completed', () => {
    expect(rulesOf({ attempts: [attempt(10, 1), attempt(10, 2), attempt(11, 1)] })).toContain('twice');
  });
  test('a claim that was started twice', () => {
    expect(rulesOf(journal(`${text}start 1 b 1 503 301\n`))).toEqual(['doubled']);
  });
  test('a sensor that was asked again after its yes', () => {
    expect(rulesOf(journal(`${text}not_yet 1 a 4 502 260\n`))).toEqual(['twice']);
    expect(rulesOf(journal(`not_yet 1 a 2 502 150\n${text}`))).toEqual([]);
  });
  test('a block that ran although its condition said no, or was asked twice', () => {
    expect(rulesOf(journal(text.replace('let_in', 'kept_out')))).toEqual(['kept_out']);
    expect(rulesOf(journal(`${text}let_in 1 b 1 502 291\n`))).toEqual(['doubled']);
  });
  test('a callback that counts as completed and did not run, or ran and is unknown', () => {
    expect(rulesOf(journal(text.replace(/told.*\n/, '')))).toEqual(['unfinished']);
    expect(rulesOf(journal(`${text}told_failure 1 b 1 502 370\n`))).toEqual(['unknown']);
  });
  test('an attempt that the database does not know', () => {
    expect(rulesOf(journal(`${text}start 1 b 2 503 400\n`))).toEqual(['unknown']);
  });
});

describe('the database tells of', () => {
  const run = sound.runs[0]!;
  test('a run that is lost', () => {
    expect(rulesOf({ runs: [{ ...run, status: 'running' }] })).toContain('lost');
  });
  test('an end without a reason or a time', () => {
    expect(rulesOf({ runs: [{ ...run, reasonCode: null }] })).toEqual(['end']);
    expect(rulesOf({ runs: [{ ...run, isDated: false }] })).toEqual(['end']);
  });
  test('counts that are wrong', () => {
    expect(rulesOf({ runs: [{ ...run, counts: { completed: 3 } }] })).toEqual(['counts']);
  });
  test('a gap in the numbers of its events', () => {
    expect(rulesOf({ events: events.filter((event) => event.seq !== 5) })).toContain('seq');
  });
  test('a block that was let in and counts as skipped', () => {
    const [a, b] = sound.blocks;
    expect(rulesOf({ blocks: [a!, { ...b!, status: 'condition_failed' }] })).toContain('kept_out');
  });
  test('a callback that is missing, doubled, open, or later than its run', () => {
    const [told] = sound.callbacks;
    expect(rulesOf({ callbacks: [] })).toEqual(['silent', 'unknown']);
    expect(rulesOf({ callbacks: [{ ...told!, kind: 'failure' }] })).toEqual(['silent', 'unknown', 'unfinished']);
    expect(rulesOf({ callbacks: [told!, told!] })).toEqual(['doubled', 'unfinished']);
    expect(rulesOf({ callbacks: [{ ...told!, status: 'running' }] })).toEqual(['lost']);
    expect(rulesOf({ callbacks: [{ ...told!, outlivesRun: true }] })).toEqual(['order']);
  });
  test('a move that the lifecycle does not know', () => {
    expect(rulesOf({ events: events.map((e) => (e.seq === 7 ? { ...e, to: 'upstream_failed' } : e)) })).toContain(
      'transition',
    );
  });
  test('a status that its events do not explain', () => {
    expect(rulesOf({ blocks: [sound.blocks[0]!, { ...sound.blocks[1]!, status: 'failed' }] })).toContain('replay');
  });
});
