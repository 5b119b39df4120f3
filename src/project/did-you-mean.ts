/** The known word that is one typing slip away from `word` (one letter more, less, other, or two swapped); else null. */
export function oneEditAway(word: string, known: Iterable<string>): string | null {
  for (const candidate of known) {
    if (isOneEdit(word, candidate)) return candidate;
  }
  return null;
}

function isOneEdit(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const restA = a.slice(start);
  const restB = b.slice(start);
  if (restA.length !== restB.length) return restA.slice(1) === restB || restB.slice(1) === restA;
  if (restA.slice(1) === restB.slice(1)) return true;
  return restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
}
