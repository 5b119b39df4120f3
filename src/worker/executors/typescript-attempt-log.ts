import type { LogEntry, LogSink } from '../executor.ts';
import { createLineCutter, cutText, type LineCutter } from './log-lines.ts';

type Stream = LogEntry['stream'];
type Level = LogEntry['level'];

/** Turns what an attempt says into log lines. Made only when it says something. */
export type AttemptLog = {
  /** Text of stdout or stderr is cut into lines; a logger's message is one line, however it looks. */
  readonly say: (at: number, stream: Stream, level: Level, text: string) => void;
  /** What came through the process' own stdout and stderr. */
  readonly raw: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  /** Gives away last lines without a newline. */
  readonly end: () => void;
};

export function createAttemptLog(sink: LogSink): AttemptLog {
  const cutters = new Map<string, LineCutter>();
  let at = new Date();

  function cutter(source: string, stream: Stream, level: Level): LineCutter {
    const known = cutters.get(source);
    if (known) return known;
    const made = createLineCutter((message) => sink({ at, level, stream, message }));
    cutters.set(source, made);
    return made;
  }

  return {
    say: (saidAt, stream, level, text) => {
      at = new Date(saidAt);
      if (stream === 'stdout' || stream === 'stderr')
        cutter(`${stream} ${level}`, stream, level).push(Buffer.from(text));
      else for (const message of cutText(text)) sink({ at, level, stream, message });
    },
    raw: (stream, bytes) => {
      at = new Date();
      cutter(`raw ${stream}`, stream, stream === 'stdout' ? 'info' : 'error').push(bytes);
    },
    end: () => {
      for (const each of cutters.values()) each.end();
    },
  };
}
