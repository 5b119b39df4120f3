import { copyFileSync, statSync, truncateSync } from 'node:fs';

const limitBytes = 8 * 1024 * 1024;
const lookEveryMs = 5 * 60_000;

/**
 * Keeps Postgres' log below about 8 MB: what is over moves to `<log>.1`, which replaces the one before. Works while
 * Postgres has the file open, because it appends. Returns what ends the looking; it keeps no process alive.
 */
export function keepLogSmall(log: string): () => void {
  trim(log);
  const timer = setInterval(trim, lookEveryMs, log).unref();
  return () => clearInterval(timer);
}

function trim(log: string): void {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  if (size < limitBytes) return;
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
}
