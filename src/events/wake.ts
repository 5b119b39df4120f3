import type { Database } from '../store/database.ts';
import { type Doorbell, openDoorbell } from './doorbell.ts';

export type WakeOptions = {
  readonly database: Database;
  /** Whether there are other processes to be woken, and to be woken by. */
  readonly doorbell: boolean;
  /** Told when a listener failed, or the doorbell lost its connection; it comes back by itself. */
  readonly onProblem?: (error: unknown) => void;
};

export type RunningWake<Topic extends string = string> = {
  /** Says that something changed. Never waits and never throws; to be called after the commit. */
  readonly wake: (...topics: readonly Topic[]) => void;
  /** Registers a listener; returns what takes it back. It may be called without anything having changed. */
  readonly on: (topic: Topic, listener: () => void) => () => void;
  readonly stop: () => Promise<void>;
};

/**
 * Hints that make waiting short, within a process and, over a doorbell, between processes. They may come late, twice, for
 * nothing, or not at all: everything that waits also polls. Rejects when the doorbell's database can't be reached.
 */
export async function createWake<Topic extends string = string>(options: WakeOptions): Promise<RunningWake<Topic>> {
  const { database, onProblem = () => {} } = options;
  const listeners = new Map<string, Set<() => void>>();
  const pending = new Set<Topic>();
  let isStopped = false;

  function tell(topics: Iterable<string>): void {
    for (const topic of topics) {
      for (const listener of listeners.get(topic) ?? []) {
        try {
          listener();
        } catch (error) {
          onProblem(error);
        }
      }
    }
  }

  const doorbell: Doorbell | null = options.doorbell
    ? // A bell that was away may have missed anything.
      await openDoorbell({ database, onRing: (topics) => tell(topics ?? listeners.keys()), onProblem })
    : null;

  function flush(): void {
    if (isStopped) return;
    const topics = [...pending];
    pending.clear();
    tell(topics);
    doorbell?.ring(topics);
  }

  return {
    wake(...topics) {
      // After the caller's turn: a listener must not run in the middle of a verb, and what is said often is told once.
      if (pending.size === 0 && topics.length > 0) queueMicrotask(flush);
      for (const topic of topics) pending.add(topic);
    },
    on(topic, listener) {
      // Wrapped, so that one function can listen twice and be taken back once.
      const own = () => listener();
      const ofTopic = listeners.get(topic) ?? new Set();
      listeners.set(topic, ofTopic.add(own));
      return () => ofTopic.delete(own);
    },
    async stop() {
      isStopped = true;
      await doorbell?.close();
    },
  };
}
