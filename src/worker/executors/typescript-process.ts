import type { Duplex } from 'node:stream';
import type { AttemptOutcome, Watchdog } from '../executor.ts';
import type { OutOfMemoryCounter } from './out-of-memory.ts';
import { giveWay, signalGroup } from './process-group.ts';
import { groupHasOthers } from './typescript-group.ts';
import type { Job } from './typescript-job.ts';
import { launchChild } from './typescript-launch.ts';
import { type ChildEnd, outcomeOfDeath, outcomeOfResult } from './typescript-outcome.ts';
import { type AnswerFrame, type ChildFrame, createFrameReader, type GoFrame } from './typescript-protocol.ts';
import { readRawOutput } from './typescript-raw-output.ts';
import { taskFrame, variablesText } from './typescript-task-frame.ts';

/** The worker's side of one child process. */
export type BlockProcess = {
  readonly pid: number | null;
  /** Whether it can run this code: it knows it already, or knows no other code of that file. */
  readonly suits: (job: Job) => boolean;
  /** Runs an attempt; only while none runs here. */
  readonly run: (job: Job) => void;
  /** The attempt that was held may run now. */
  readonly go: () => void;
  /** SIGTERM to the group now, SIGKILL after `graceMs`; then the process ends, whatever the attempt gives. */
  readonly stop: (graceMs: number) => void;
  /** Kills the group at once. */
  readonly kill: () => void;
  /** Settles when it is ready for its first attempt, or gone. */
  readonly started: Promise<void>;
  /** Settles when the process and its group are gone. */
  readonly gone: Promise<void>;
  /** When it began to wait for work, in milliseconds of performance.now(). */
  idleSince: number;
};

export type ProcessEvents = {
  readonly onReady: (child: BlockProcess) => void;
  /** An attempt is settled and the next one may come. */
  readonly onFree: (child: BlockProcess) => void;
  /** Its attempt waits for an answer, and with it perhaps for other attempts. */
  readonly onAsking: () => void;
  /** It is gone. `unstarted`: an attempt that it had not begun. `lastWords`: set when it died before it was ready. */
  readonly onGone: (child: BlockProcess, unstarted: Job | null, lastWords: string | null) => void;
};

export type ProcessSetting = {
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly watchdog: Watchdog;
  readonly outOfMemory: OutOfMemoryCounter;
};

const goFrame = `${JSON.stringify({ go: true } satisfies GoFrame)}\n`;
const startPatienceMs = 30_000;
/** How long a process that left the group may hold the pipes open, and how long a killed group may take to be gone. */
const pipePatienceMs = 500;
const groupPatienceMs = 1_000;

/** Starts a child process; everything further comes as events. */
export function startBlockProcess(setting: ProcessSetting, events: ProcessEvents): BlockProcess {
  const child = launchChild(setting.projectDir, setting.env);
  const group = child.pid ?? null;
  if (group !== null) {
    setting.watchdog.guard(group);
    giveWay(group);
  }
  const channel = child.stdio[3] as Duplex;
  const codes = new Map<string, string>();
  const started = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let ready = false;
  let over = false;
  let job: Job | null = null;
  let result: { readonly outcome: AttemptOutcome; readonly ends: boolean } | null = null;
  let unstarted = false;
  let begun = false;
  let endsAwaited = 0;
  let lastVariables: string | null = null;
  let killsBefore = 0;
  let killAt = Number.POSITIVE_INFINITY;
  let killTimer: NodeJS.Timeout | undefined;
  const startTimer = setTimeout(kill, startPatienceMs);

  const raw = (stream: 'stdout' | 'stderr') =>
    readRawOutput(
      child[stream] as NonNullable<typeof child.stdout>,
      (bytes) => job?.log().raw(stream, bytes),
      () => {
        endsAwaited--;
        settleWhenComplete();
      },
    );
  raw('stdout');
  const errors = raw('stderr');

  channel.setEncoding('utf8');
  channel.on('error', () => {
    // It died; 'exit' tells. A task that could not be written was not begun.
    if (result === null && !begun) unstarted = true;
  });
  channel.on('data', createFrameReader(onLine));
  child.once('error', () => group === null && void finish(null, null));
  child.once('exit', () => {
    if (group !== null) signalGroup(group, 'SIGKILL');
    setTimeout(closePipes, pipePatienceMs).unref();
  });
  child.once('close', (exitCode, signal) => void finish(exitCode, signal));

  /** A block can write to our descriptor: nonsense there ends its process, and only that. */
  function onLine(line: string): void {
    try {
      onFrame(JSON.parse(line) as ChildFrame);
    } catch {
      kill();
    }
  }

  function onFrame(frame: ChildFrame): void {
    switch (frame.type) {
      case 'log':
        job?.log().say(frame.at, frame.stream, frame.level, frame.text);
        break;
      case 'result':
        if (job === null) throw new Error('A result of no attempt.');
        result = { outcome: outcomeOfResult(frame, job.stopRequested), ends: frame.ends };
        if (frame.rawOutput) endsAwaited += 2;
        settleWhenComplete();
        break;
      case 'ask':
        if (job === null) throw new Error('A question of no attempt.');
        begun = true;
        void answer(job, frame.id, frame.request);
        break;
      case 'ready':
        ready = true;
        started.resolve();
        clearTimeout(startTimer);
        self.idleSince = performance.now();
        events.onReady(self);
        break;
      case 'stale':
      case 'leaving':
        unstarted = true;
        break;
    }
  }

  async function answer(asker: Job, id: number, request: object): Promise<void> {
    asker.asking += 1;
    events.onAsking();
    const reply = await asker.answer(request);
    asker.asking -= 1;
    if (over || job !== asker) return;
    channel.write(`${JSON.stringify({ answerTo: id, reply } satisfies AnswerFrame)}\n`);
  }

  function settleWhenComplete(): void {
    if (job === null || result === null || over || result.ends || endsAwaited > 0) return;
    if (job.stopRequested) {
      kill();
      return;
    }
    const settled = job;
    const { outcome } = result;
    job = null;
    result = null;
    self.idleSince = performance.now();
    settled.settle(outcome);
    events.onFree(self);
  }

  /** The process is gone and its pipes are read to their ends; what remains is to see that the group is gone too. */
  async function finish(exitCode: number | null, signal: string | null): Promise<void> {
    if (over) return;
    over = true;
    clearTimeout(startTimer);
    clearTimeout(killTimer);
    if (group !== null) {
      await groupGone(group);
      setting.watchdog.release(group);
    }
    const waiting = job;
    job = null;
    if (waiting !== null && (!unstarted || waiting.stopRequested)) {
      const end: ChildEnd = {
        exitCode,
        signal,
        lastWords: errors.tail(),
        outOfMemoryKill: setting.outOfMemory.read() > killsBefore,
      };
      const { stopRequested, task } = waiting;
      waiting.settle(result?.outcome ?? outcomeOfDeath(task.blockUuid, end, stopRequested));
    }
    started.resolve();
    gone.resolve();
    events.onGone(self, waiting?.isSettled() ? null : waiting, ready ? null : errors.tail());
  }

  function closePipes(): void {
    for (const stream of child.stdio) stream?.destroy();
  }

  function kill(): void {
    if (!over && group !== null) signalGroup(group, 'SIGKILL');
  }

  const self: BlockProcess = {
    pid: group,
    started: started.promise,
    gone: gone.promise,
    idleSince: performance.now(),
    suits: ({ task, codeId }) => {
      const known = codes.get(task.file);
      return known === undefined || known === codeId;
    },
    run: (given) => {
      job = given;
      begun = false;
      killsBefore = setting.outOfMemory.read();
      const isKnown = codes.get(given.task.file) === given.codeId;
      codes.set(given.task.file, given.codeId);
      const variables = variablesText(given.task);
      channel.write(`${JSON.stringify(taskFrame(given, isKnown, variables === lastVariables ? null : variables))}\n`);
      lastVariables = variables;
      if (group !== null) given.started(group);
    },
    go: () => channel.write(goFrame),
    stop: (graceMs) => {
      if (over || group === null) return;
      signalGroup(group, 'SIGTERM');
      const deadline = performance.now() + graceMs;
      if (deadline >= killAt) return;
      killAt = deadline;
      clearTimeout(killTimer);
      killTimer = setTimeout(kill, graceMs);
    },
    kill,
  };
  return self;
}

async function groupGone(group: number): Promise<void> {
  const deadline = performance.now() + groupPatienceMs;
  while (signalGroup(group, 'SIGKILL') && groupHasOthers(group) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
