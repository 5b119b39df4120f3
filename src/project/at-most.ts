/** Runs tasks as they come, at most `limit` at a time: a thousand files opened at once would run out of handles. */
export function atMost(limit: number): <Result>(task: () => Promise<Result>) => Promise<Result> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await task();
    } finally {
      // A place is handed on, not given back and taken again: nobody can slip in between.
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
