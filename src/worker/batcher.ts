import type pg from 'pg';
import type { Claim, Finish, StepResult } from '../store/step.ts';

/** The most finishes that one step carries. */
const maxFinishes = 50;
/** A worker with free slots looks by itself this often: at first, and when nothing came for a while. */
const pollMs = { busy: 250, idle: 2000 } as const;
/** After a failed step: how long until the next try, growing to the second value. */
const retryMs = { first: 50, most: 2000 } as const;

export type BatcherOptions = {
  /** Opens the batcher's own connection; asked again after the connection broke. */
  readonly connect: () => Promise<pg.Client>;
  /** `look`: whether to look into the queue, or to claim only what these finishes make ready. */
  readonly step: (client: pg.Client, want: number, look: boolean, finishes: readonly Finish[]) => Promise<StepResult>;
  /** After a broken step: claims whose answer was lost, as finishes that give them back. */
  readonly lostClaims: (client: pg.Client) => Promise<readonly Finish[]>;
  /** How many block runs may be claimed now. */
  readonly room: () => number;
  readonly start: (claim: Claim) => void;
  readonly settle: (runs: readonly bigint[]) => void;
  /** Something was committed that others may wait for; `ended`: a run's end was among it. */
  readonly committed: (ended: boolean) => void;
  readonly onError: (error: unknown) => void;
};

/**
 * The one voice of a worker process towards the queue: one `step` in flight at a time. Each carries every finish that waited
 * and claims what there is room for; a lone finish goes at once, without a timer. So a chain costs one commit per block,
 * and a crowd of blocks shares one.
 */
export type Batcher = {
  /** Reports an end. Kept and repeated until the store has it. */
  readonly finish: (finish: Finish) => void;
  /** There may be something to claim. */
  readonly wake: () => void;
  /** Claims nothing any more. */
  readonly close: () => void;
  /** Settles when every finish handed in so far is stored, or after `timeoutMs`. */
  readonly drained: (timeoutMs: number) => Promise<void>;
  /** Ends the connection. */
  readonly end: () => Promise<void>;
};

/** Starts a batcher; it begins to claim at once. */
export function startBatcher(options: BatcherOptions): Batcher {
  let waiting: Finish[] = [];
  let client: pg.Client | null = null;
  let inFlight = false;
  let hungry = true;
  let open = true;
  let ended = false;
  let failures = 0;
  let emptyPolls = 0;
  let timer: NodeJS.Timeout | undefined;
  const drainers = new Set<() => void>();

  function schedule(ms: number): void {
    clearTimeout(timer);
    if (ended) return;
    timer = setTimeout(() => {
      hungry = true;
      pump();
    }, ms);
  }

  function pump(): void {
    if (inFlight || ended) return;
    const want = open ? options.room() : 0;
    if (waiting.length === 0 && !(hungry && want > 0)) {
      if (want > 0) schedule(emptyPolls < 8 ? pollMs.busy : pollMs.idle);
      if (waiting.length === 0) for (const settle of drainers) settle();
      return;
    }
    inFlight = true;
    void send(want);
  }

  async function send(want: number): Promise<void> {
    const finishes = waiting.slice(0, maxFinishes);
    try {
      if (client === null) client = await reconnect();
      const look = hungry && want > 0;
      if (look) hungry = false;
      const { claims, unsettled, more, ended } = await options.step(client, want, look, finishes);
      waiting = waiting.slice(finishes.length);
      failures = 0;
      // Without more, a wake or the poll will tell.
      hungry = hungry || more;
      emptyPolls = claims.length === 0 && finishes.length === 0 ? emptyPolls + 1 : 0;
      for (const claim of claims) options.start(claim);
      if (unsettled.length > 0) options.settle(unsettled);
      if (claims.length > 0 || finishes.length > 0) options.committed(ended);
      inFlight = false;
      pump();
    } catch (error) {
      if (!ended) options.onError(error);
      const broken = client;
      client = null;
      // Not waited for: a connection without an other end takes its time.
      broken?.end().catch(() => {});
      inFlight = false;
      hungry = true;
      failures++;
      schedule(Math.min(retryMs.first * 2 ** Math.min(failures, 10), retryMs.most));
    }
  }

  async function reconnect(): Promise<pg.Client> {
    const fresh = await options.connect();
    if (failures === 0) return fresh;
    try {
      const lost = await options.lostClaims(fresh);
      // What ended while that was asked is known by now.
      const known = new Set(waiting.map((finish) => `${finish.blockRunId}:${finish.fence}`));
      waiting.push(...lost.filter((finish) => !known.has(`${finish.blockRunId}:${finish.fence}`)));
      return fresh;
    } catch (error) {
      await fresh.end().catch(() => {});
      throw error;
    }
  }

  queueMicrotask(pump);
  return {
    finish(finish) {
      waiting.push(finish);
      pump();
    },
    wake() {
      hungry = true;
      emptyPolls = 0;
      pump();
    },
    close() {
      open = false;
    },
    drained(timeoutMs) {
      if (waiting.length === 0 && !inFlight) return Promise.resolve();
      return new Promise((resolve) => {
        const settle = () => {
          clearTimeout(deadline);
          drainers.delete(settle);
          resolve();
        };
        const deadline = setTimeout(settle, timeoutMs);
        drainers.add(settle);
      });
    },
    async end() {
      ended = true;
      open = false;
      clearTimeout(timer);
      await client?.end().catch(() => {});
    },
  };
}
