import { checkAttached } from './check-attached.ts';
import { checkHistory } from './check-history.ts';
import { checkJournal } from './check-journal.ts';
import type { Evidence, Violation } from './evidence.ts';

/** Everything that is wrong with what the chaos left behind; nothing when every promise was kept. */
export function check(evidence: Evidence): readonly Violation[] {
  return [...checkHistory(evidence), ...checkJournal(evidence), ...checkAttached(evidence)];
}
