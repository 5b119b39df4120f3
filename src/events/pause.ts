/** A sleep that can be cut short. */
export type Pause = {
  /** Settles after `ms`, or earlier when it is cut. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Ends the present sleep; without one, does nothing. */
  readonly cut: () => void;
};

export function createPause(): Pause {
  let cut = () => {};
  return {
    sleep: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        cut = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    cut: () => cut(),
  };
}
