import type { Database } from '../store/database.ts';

/** What a change may be interesting to. A wake-up is a kindness, never a promise: everything that waits also polls. */
export type WakeTopic =
  /** Initial runs may be admitted. */
  | 'admission'
  /** Block runs were queued. */
  | 'ready'
  /** The event log grew. */
  | 'events'
  /** The event log grew by the end of a run, which somebody may be waiting for. */
  | 'ends'
  /** Running blocks are to be stopped. */
  | 'stop'
  /** A batch has more to do, or did a piece of it. */
  | 'batches'
  /** Callback runs were made. */
  | 'callbacks'
  /** Runs wait to be settled. */
  | 'settle'
  /** Pipelines or triggers changed. */
  | 'catalog';

export type Wake = (...topics: readonly WakeTopic[]) => void;

/** What every verb is given: where to keep things, whom to wake, and what time it is. */
export type EngineContext = {
  readonly database: Database;
  readonly wake: Wake;
  readonly now: () => Date;
  /** Whether an output lies in the output store, by its path there (OutputManifest.path). */
  readonly isOutputStored: (path: string) => Promise<boolean>;
  /** The value of the variable `env` unless a run is given another: ENV, or 'prod'. */
  readonly env: string;
};
