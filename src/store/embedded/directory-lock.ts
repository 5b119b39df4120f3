import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, unusable } from './data-directory.ts';
import { DataDirectoryError } from './data-directory-error.ts';
import { processStart } from './process-identity.ts';

/** Held by one process at most. */
export type DirectoryLock = { readonly release: () => void };

const patienceMs = 300;
const lookEveryMs = 15;

/**
 * Takes the data directory for this process. A lock whose owner is dead, also by kill -9, counts for nothing.
 *
 * Each process that wants it puts a claim into `lockDirectory`, named by its pid and start time, and only then looks for
 * claims of other living processes; it holds the lock when there are none. Of two that come at once, the later look sees
 * both claims, so they never both hold it; no file of a living process is ever removed by another, which is where
 * takeovers of a single lock file go wrong. When they see each other, the one with the greater name steps back.
 */
export async function lockDirectory(lockDirectory: string, dataDir: string): Promise<DirectoryLock> {
  mkdirSync(lockDirectory, { recursive: true });
  const own = `${process.pid}-${processStart(process.pid)}`;
  const claim = join(lockDirectory, own);
  const release = () => rmSync(claim, { force: true });

  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    placeClaim(claim, dataDir);
    let rival = livingRival(lockDirectory, own);
    while (rival !== undefined && rival > own && waitedMs < patienceMs) {
      await delay(lookEveryMs);
      waitedMs += lookEveryMs;
      rival = livingRival(lockDirectory, own);
    }
    if (rival === undefined) return { release };
    release();
    if (waitedMs >= patienceMs) throw inUse(dataDir, pidOf(rival));
    await delay(lookEveryMs);
  }
}

function placeClaim(claim: string, dataDir: string): void {
  try {
    closeSync(openSync(claim, 'wx'));
  } catch (error) {
    throw errorCode(error) === 'EEXIST' ? inUse(dataDir, process.pid) : unusable(dataDir, error);
  }
}

/** The smallest claim of another living process. Claims of the dead are swept away. */
function livingRival(lockDirectory: string, own: string): string | undefined {
  const rivals = readdirSync(lockDirectory).filter((claim) => claim !== own);
  const living = rivals.filter((claim) => {
    const lives = processStart(pidOf(claim)) === claim.slice(claim.indexOf('-') + 1);
    if (!lives) rmSync(join(lockDirectory, claim), { force: true });
    return lives;
  });
  return living.sort()[0];
}

function pidOf(claim: string): number {
  return Number.parseInt(claim, 10);
}

function inUse(dataDir: string, pid: number): DataDirectoryError {
  const who = pid === process.pid ? `this process (pid ${pid}) already` : `another Penstock server (pid ${pid})`;
  return new DataDirectoryError(
    'in_use',
    dataDir,
    `The data directory ${dataDir} is in use: ${who} runs on it. Stop that server first, or give this one a directory of its own with --data-dir.`,
    { pid },
  );
}
