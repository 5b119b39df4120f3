import type { Answerer, AttemptOutcome, AttemptTask, LogEntry, LogSink, RunningAttempt } from '../executor.ts';
import { createLineCutter, cutText, type LineCutter, storableText } from './log-lines.ts';
import type { OutOfMemoryCounter } from './out-of-memory.ts';
import { signalGroup } from './process-group.ts';
import type { PythonChild } from './python-child.ts';
import { createLineOrder } from './python-line-order.ts';
import { type ChildEnd, outcomeOf, type RunnerResult } from './python-outcome.ts';

/** How long after a child's end the last of its frames may take; they are in the socket by then, so it is next to nothing. */
const lastFramesMs = 500;

type Stream = 'stdout' | 'stderr';

/**
 * One attempt, from waiting for a child to its outcome. It settles with a result that is the child's last word; else when both are
 * known: how the process ended, told by the fork server after the group is gone, and everything the child sent, told by the end
 * of its connection.
 */
export type PythonAttempt = {
  readonly running: RunningAttempt;
  /** Gives the attempt its child, and so its task to the child. */
  readonly start: (child: PythonChild) => void;
  readonly onFrame: (kind: string, payload: Buffer) => void;
  /** Of the pipes 1 and 2, where subprocesses and C code write. */
  readonly onRawOutput: (stream: Stream, afterLines: number, bytes: Buffer) => void;
  readonly onConnectionEnd: () => void;
  /** The child died before it began with the task. True when the attempt now waits for another one; false when it is over instead. */
  readonly loseChild: () => boolean;
  /** Null: the fork server died, and took all its children with it. */
  readonly onChildEnd: (end: ChildEnd | null) => void;
  /** Settles an attempt that could not start. */
  readonly refuse: (type: string, message: string) => void;
  readonly isOver: () => boolean;
};

export type PythonAttemptOptions = {
  readonly task: AttemptTask;
  readonly sink: LogSink;
  readonly answer: Answerer;
  /** The block's code may run once this settles with true; with false it never may. */
  readonly go: Promise<boolean> | undefined;
  readonly now: () => Date;
  readonly outOfMemory: OutOfMemoryCounter;
  /** Of a result: libraries that the block has imported. */
  readonly onModules: (modules: readonly string[]) => void;
  /** Its process group is about to be told to stop. */
  readonly onStop: (group: number, graceMs: number) => void;
};

/** Makes an attempt that waits for its child. */
export function createPythonAttempt(options: PythonAttemptOptions): PythonAttempt {
  const { task, sink, now, outOfMemory } = options;
  const outcome = Promise.withResolvers<AttemptOutcome>();
  const pid = Promise.withResolvers<number | null>();
  let child: PythonChild | null = null;
  let result: RunnerResult | null = null;
  let end: ChildEnd | null | undefined;
  let connectionEnded = false;
  let stopRequested = false;
  let isHeld = options.go !== undefined;
  let over = false;
  let killAt = Number.POSITIVE_INFINITY;
  let killTimer: NodeJS.Timeout | undefined;
  let lastFramesTimer: NodeJS.Timeout | undefined;
  let killsBefore = 0;
  const cutters = new Map<string, LineCutter>();
  const order = createLineOrder();

  function log(stream: LogEntry['stream'], level: LogEntry['level'], message: string): void {
    sink({ at: now(), level, stream, message });
  }

  function lines(source: string, stream: Stream): LineCutter {
    const known = cutters.get(source);
    if (known) return known;
    const cutter = createLineCutter((line) => log(stream, stream === 'stdout' ? 'info' : 'error', line));
    cutters.set(source, cutter);
    return cutter;
  }

  function hear(kind: string, said: Buffer): void {
    if (kind === 'o') lines('print', 'stdout').push(said);
    else if (kind === 'e') lines('print to stderr', 'stderr').push(said);
    else {
      const line = JSON.parse(said.toString()) as { level: LogEntry['level']; message: string };
      for (const piece of cutText(line.message)) log('logger', line.level, piece);
    }
  }

  async function answer(question: string): Promise<void> {
    const { id, ...request } = JSON.parse(question) as { readonly id: number };
    const reply = await options.answer(request);
    if (!over && end === undefined) child?.sendAnswer(JSON.stringify({ ...reply, id }));
  }

  function finish(settled: AttemptOutcome): void {
    over = true;
    clearTimeout(killTimer);
    clearTimeout(lastFramesTimer);
    pid.resolve(null);
    outcome.resolve(settled);
  }

  function settleWhenAllIsKnown(): void {
    if (over || end === undefined || !connectionEnded) return;
    settle();
  }

  function settle(): void {
    order.flush();
    for (const cutter of cutters.values()) cutter.end();
    const outOfMemoryKills = end?.signal === 'SIGKILL' ? outOfMemory.read() - killsBefore : 0;
    const cpuTimeBeforeMs = child?.cpuTimeMs ?? 0;
    finish(
      outcomeOf({
        blockUuid: task.blockUuid,
        result,
        end: end ?? null,
        cpuTimeBeforeMs,
        stopRequested,
        outOfMemoryKills,
      }),
    );
  }

  function stop(graceMs: number): void {
    if (over) return;
    stopRequested = true;
    if (child === null) {
      finish(outcomeOf({ ...nothingKnown, blockUuid: task.blockUuid, stopRequested }));
      return;
    }
    // Once the end is known, the group's id may be somebody else's.
    if (end !== undefined) return;
    const group = child.pid;
    const deadline = performance.now() + graceMs;
    const isSooner = deadline < killAt;
    if (isSooner) options.onStop(group, graceMs);
    signalGroup(group, 'SIGTERM');
    if (!isSooner) return;
    killAt = deadline;
    clearTimeout(killTimer);
    killTimer = setTimeout(() => end === undefined && signalGroup(group, 'SIGKILL'), graceMs);
  }

  void options.go?.then((mayRun) => {
    isHeld = false;
    if (over) return;
    if (mayRun) child?.sendGo();
    else {
      // It has the task, and ends when nobody is there to let it run.
      child?.close();
      finish(outcomeOf({ ...nothingKnown, blockUuid: task.blockUuid, stopRequested: true }));
    }
  });

  return {
    running: { outcome: outcome.promise, pid: pid.promise, stop },
    start: (given) => {
      child = given;
      killsBefore = outOfMemory.read();
      pid.resolve(given.pid);
      given.sendTask(wireTask(task, isHeld));
    },
    onFrame: (kind, payload) => {
      if (kind === 'R') {
        result = JSON.parse(payload.toString()) as RunnerResult;
        options.onModules(result.modules);
        if (result.isLastWord) settle();
        return;
      }
      if (kind === 'Q') {
        void answer(payload.toString());
        return;
      }
      const said = payload.subarray(8);
      order.said(payload.readDoubleBE(0), () => hear(kind, said));
    },
    onRawOutput: (stream, afterLines, bytes) => {
      order.relayed(afterLines, bytes.length, () => lines(`pipe ${stream}`, stream).push(bytes));
    },
    onConnectionEnd: () => {
      connectionEnded = true;
      settleWhenAllIsKnown();
    },
    loseChild: () => {
      if (over || stopRequested) return false;
      child?.listen(ignore, ignore);
      child = null;
      connectionEnded = false;
      return true;
    },
    onChildEnd: (told) => {
      end = told;
      settleWhenAllIsKnown();
      // A process that left the group may hold the connection open: its frames are not waited for.
      if (!over) lastFramesTimer = setTimeout(() => child?.close(), lastFramesMs);
    },
    refuse: (type, message) => {
      if (over) return;
      log('system', 'error', storableText(message));
      const error = { type, message: storableText(message), stackTrace: null };
      finish({ status: 'failed', error, outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null });
    },
    isOver: () => over,
  };
}

function ignore(): void {}

const nothingKnown = { result: null, end: null, cpuTimeBeforeMs: 0, outOfMemoryKills: 0 } as const;

/** What the runner gets: the task, what is to be done with the block (`MODES` in penstock_runner/attempt.py), and whether at once. */
function wireTask(task: AttemptTask, isHeld: boolean): string {
  return JSON.stringify({ ...task, mode: modes[task.blockType] ?? 'block', isHeld });
}

const modes: { readonly [blockType: string]: 'sensor' | 'condition' | 'callback' } = {
  sensor: 'sensor',
  conditional: 'condition',
  callback: 'callback',
};
