import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { EngineContext, WakeTopic } from '../engine/context.ts';
import type { RunningWake } from '../events/wake.ts';
import type { Database } from '../store/database.ts';
import type { RunningWatchdog } from '../worker/watchdog.ts';

/** What every role stands on. */
export type Foundation = {
  readonly config: Config;
  readonly logger: Logger;
  readonly watchdog: RunningWatchdog;
  readonly database: Database;
  readonly databaseKind: 'embedded' | 'external';
  readonly wake: RunningWake<WakeTopic>;
  readonly context: EngineContext;
  readonly outputsRoot: string;
  /** Registers what has to be stopped when this process ends: newest first. */
  readonly onStop: (stop: () => Promise<void>) => void;
};
