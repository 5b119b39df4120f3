import type { RunEventKind } from '../domain/events.ts';
import type { LogPosition } from '../store/log-position.ts';
import type { LogEntry } from '../store/run-event-log.ts';

/**
 * Entries that the tail read together, by id. They are in `upTo` and not in `seen`, and so is nothing else up to the last id, of the
 * kinds that anybody listens for.
 */
export type LiveBatch = {
  readonly seen: LogPosition;
  readonly upTo: LogPosition;
  readonly entries: readonly LiveEntry[];
};

/** An entry as all subscribers share it. */
export type LiveEntry = LogEntry & {
  /** Its cursor in a stream of all events; written when first asked for, and then the same string for everybody. */
  readonly cursor: () => string;
  /** About how much memory it holds. */
  readonly bytes: number;
};

/** Somebody who is told of live events. Must neither throw nor wait. */
export type Listener = {
  /** The kinds that it listens for; null: every kind. It is told of others too when somebody else listens for them. */
  readonly kinds: readonly RunEventKind[] | null;
  readonly receive: (batch: LiveBatch, entries: readonly LiveEntry[]) => void;
};

/**
 * Hands what the tail read to whom it concerns. Listeners to one run are found by that run: a thousand people who each watch
 * their own cost an event no more than one of them.
 */
export type Bus = {
  /** Adds a listener, to all events (null) or to one run's; returns what takes it off again. */
  readonly attach: (pipelineRunId: bigint | null, listener: Listener) => () => void;
  /** The kinds that anybody listens for; null: every kind. */
  readonly kinds: () => readonly RunEventKind[] | null;
  readonly publish: (batch: LiveBatch) => void;
};

export function createBus(): Bus {
  const toAll = new Set<Listener>();
  const toRun = new Map<bigint, Set<Listener>>();
  /** How many listen for each kind, and for 'every' one. */
  const listening = new Map<RunEventKind | 'every', number>();

  function count({ kinds }: Listener, by: 1 | -1): void {
    for (const kind of kinds ?? (['every'] as const)) {
      const now = (listening.get(kind) ?? 0) + by;
      if (now === 0) listening.delete(kind);
      else listening.set(kind, now);
    }
  }

  function add(pipelineRunId: bigint | null, listener: Listener): () => void {
    if (pipelineRunId === null) {
      toAll.add(listener);
      return () => toAll.delete(listener);
    }
    const listeners = toRun.get(pipelineRunId) ?? new Set();
    toRun.set(pipelineRunId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && toRun.get(pipelineRunId) === listeners) toRun.delete(pipelineRunId);
    };
  }

  return {
    attach(pipelineRunId, listener) {
      const remove = add(pipelineRunId, listener);
      count(listener, 1);
      return () => {
        remove();
        count(listener, -1);
      };
    },
    kinds() {
      const kinds = [...listening.keys()].filter((kind) => kind !== 'every');
      return listening.has('every') ? null : kinds;
    },
    publish(batch) {
      for (const listener of toAll) listener.receive(batch, batch.entries);
      if (toRun.size === 0) return;
      for (const [pipelineRunId, entries] of Map.groupBy(batch.entries, (entry) => entry.event.pipelineRunId)) {
        for (const listener of toRun.get(pipelineRunId) ?? []) listener.receive(batch, entries);
      }
    },
  };
}
