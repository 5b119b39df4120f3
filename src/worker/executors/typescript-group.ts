import { readdirSync, readFileSync } from 'node:fs';

/**
 * Whether a process group has living members besides its leader. Takes 1–3 ms, so it is asked only after a block has started
 * processes or a child has died. Where there is no /proc the answer is yes.
 */
export function groupHasOthers(group: number): boolean {
  for (let look = 0; look < 3; look++) {
    const seen = lookOnce(group);
    if (seen !== 'changed') return seen === 'others';
  }
  return true;
}

/** A process that ended while we looked may have started another one behind our back: then look again. */
function lookOnce(group: number): 'alone' | 'others' | 'changed' {
  let changed = false;
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return 'others';
  }
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === group) continue;
    const stat = readStat(pid);
    if (stat === null) changed = true;
    else if (stat.group === group && stat.state !== 'Z') return 'others';
  }
  return changed ? 'changed' : 'alone';
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
