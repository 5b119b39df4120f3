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
start 1 b 1 502 300
end 1 b 1 502 350
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
    { id: 10, runId: 1, uuid: 'a', status: 'completed', upstream: [] },
    { id: 11, runId: 1, uuid: 'b', status: 'completed', upstream: [10] },
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
  test('a move that the lifecycle does not know', () => {
    expect(rulesOf({ events: events.map((e) => (e.seq === 7 ? { ...e, to: 'upstream_failed' } : e)) })).toContain(
      'transition',
    );
  });
  test('a status that its events do not explain', () => {
    expect(rulesOf({ blocks: [sound.blocks[0]!, { ...sound.blocks[1]!, status: 'failed' }] })).toContain('replay');
  });
});
