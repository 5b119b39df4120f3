import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * Whether a process group has living members besides its leader. Takes 1–3 ms, so it is asked only after a block has started
 * processes or a child has died. Where there is no /proc the answer is yes.
 */
export function groupHasOthers(group: number): boolean {
  if (!existsSync('/proc/self/stat')) return true;
  const strangers = new Set<number>([group]);
  for (let look = 0; look < mostLooks; look++) {
    const seen = lookOnce(group, strangers);
    if (seen !== 'unsure') return seen === 'others';
  }
  return true;
}

/** On a machine where processes come and go all the time, a few looks are needed. */
const mostLooks = 10;

/** A process that ended before we could read whose it was may have started another one behind our back: then look again. */
function lookOnce(group: number, strangers: Set<number>): 'alone' | 'others' | 'unsure' {
  let unsure = false;
  for (const pid of allPids()) {
    if (strangers.has(pid)) continue;
    const stat = readStat(pid);
    if (stat === null) unsure = true;
    else if (stat.group !== group) strangers.add(pid);
    else if (stat.state !== 'Z') return 'others';
  }
  return unsure ? 'unsure' : 'alone';
}

function allPids(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function readStat(pid: number): { readonly state: string; readonly group: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: state ?? '', group: Number(group) };
  } catch {
    return null;
  }
}
