/** An event as the sample subscription `ticks` tells it. */
export type Tick = { readonly cursor: string; readonly n: number; readonly text: string };

/** A source of events whose every stream is counted, so that a test can see none is left open. */
export type Fountain = {
  /** Opens a stream of `push`ed ticks that come after the given cursor. */
  readonly open: (after: string | null) => AsyncIterableIterator<Tick>;
  readonly push: (text?: string) => void;
  readonly openStreams: () => number;
  /** Settles when as many streams are open. */
  readonly untilOpen: (count: number) => Promise<void>;
  /** Ticks pulled from all streams so far. */
  readonly pulled: () => number;
};

/** A fountain that remembers all its ticks. Streams pull; nothing is read ahead, and `return()` settles at once. */
export function createFountain(): Fountain {
  const ticks: Tick[] = [];
  const streams = new Set<() => void>();
  const watchers = new Set<() => void>();
  let pulled = 0;
  const changed = () => {
    for (const watcher of [...watchers]) watcher();
  };

  return {
    open(after) {
      let position = after === null ? ticks.length : Number(after);
      let wake: () => void = () => undefined;
      let isOver = false;
      const onPush = () => wake();
      streams.add(onPush);
      changed();
      const stream: AsyncIterableIterator<Tick> = {
        async next() {
          while (!isOver && position >= ticks.length) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          const tick = ticks[position];
          if (isOver || !tick) return { done: true, value: undefined };
          position += 1;
          pulled += 1;
          return { done: false, value: tick };
        },
        async return() {
          isOver = true;
          streams.delete(onPush);
          wake();
          changed();
          return { done: true, value: undefined };
        },
        [Symbol.asyncIterator]: () => stream,
      };
      return stream;
    },
    push(text = '') {
      ticks.push({ cursor: String(ticks.length + 1), n: ticks.length + 1, text });
      for (const wake of streams) wake();
    },
    openStreams: () => streams.size,
    untilOpen: (count) =>
      new Promise((resolve) => {
        const watcher = () => {
          if (streams.size !== count) return;
          watchers.delete(watcher);
          resolve();
        };
        watchers.add(watcher);
        watcher();
      }),
    pulled: () => pulled,
  };
}
