/**
 * Joins a burst of events into one call: once they have been quiet for `quietMs`, or `longestWaitMs` after the first when they
 * don't rest. `forget` drops a call that is due.
 */
export function settle(
  callback: () => void,
  { quietMs, longestWaitMs }: { readonly quietMs: number; readonly longestWaitMs: number },
): { readonly note: () => void; readonly forget: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let since: number | null = null;
  const fire = () => {
    since = null;
    callback();
  };
  return {
    note() {
      const now = performance.now();
      since ??= now;
      clearTimeout(timer);
      timer = setTimeout(fire, Math.max(0, Math.min(quietMs, since + longestWaitMs - now)));
    },
    forget() {
      clearTimeout(timer);
    },
  };
}
