import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import type { BlockLogger } from '../../block.ts';
import type { LogEntry } from '../executor.ts';
import { send } from './typescript-child-channel.ts';
import { speaksForCurrent } from './typescript-child-current.ts';

type Level = LogEntry['level'];
type Stream = LogEntry['stream'];

const consoleLevels = { debug: 'debug', warn: 'warning', trace: 'debug' } as const;
let consoleLevel: Level | null = null;

/** Makes console and process.stdout/stderr speak over the channel, in order with everything else. */
export function captureOutput(): void {
  replaceStream('stdout', 'info');
  replaceStream('stderr', 'error');
  for (const [method, level] of Object.entries(consoleLevels) as [keyof typeof consoleLevels, Level][]) {
    const original = console[method].bind(console);
    console[method] = (...values: unknown[]) => {
      consoleLevel = level;
      try {
        original(...values);
      } finally {
        consoleLevel = null;
      }
    };
  }
}

function replaceStream(name: 'stdout' | 'stderr', level: Level): void {
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => {
      say(name, consoleLevel ?? level, typeof chunk === 'string' ? chunk : chunk.toString());
      done();
    },
    // A block may call end(); other attempts still want to speak.
    final: (done) => {
      replaceStream(name, level);
      done();
    },
  });
  Object.assign(stream, { fd: name === 'stdout' ? 1 : 2, isTTY: false });
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
}

/** The `logger` of a block. */
export const logger: BlockLogger = {
  debug: (message, fields) => say('logger', 'debug', withFields(message, fields)),
  info: (message, fields) => say('logger', 'info', withFields(message, fields)),
  warning: (message, fields) => say('logger', 'warning', withFields(message, fields)),
  error: (message, fields) => say('logger', 'error', withFields(message, fields)),
};

/** A line of our own in the attempt's log. */
export function say(stream: Stream, level: Level, text: string): void {
  if (speaksForCurrent()) send({ type: 'log', at: Date.now(), level, stream, text });
}

function withFields(message: unknown, fields: object | undefined): string {
  const text = typeof message === 'string' ? message : inspect(message);
  return fields === undefined
    ? text
    : `${text} ${inspect(fields, { breakLength: Number.POSITIVE_INFINITY, depth: 5 })}`;
}
