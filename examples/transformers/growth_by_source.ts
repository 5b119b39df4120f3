import type { BlockArguments } from 'penstock/block';

type Row = { readonly year: number; readonly source: string; readonly generation: number };
type Growth = { readonly source: string; readonly from: number; readonly to: number; readonly factor: number };

/** How much each source grew from its first year to its last. The rows come from a Python block: plain data crosses over. */
export default function growthBySource({ inputs }: BlockArguments): Growth[] {
  const rows = inputs[0] as readonly Row[];
  return [...Map.groupBy(rows, (row) => row.source)].map(([source, itsRows]) => {
    const byYear = itsRows.toSorted((a, b) => a.year - b.year);
    const from = byYear.at(0)?.generation ?? 0;
    const to = byYear.at(-1)?.generation ?? 0;
    return { source, from, to, factor: Math.round((to / from) * 100) / 100 };
  });
}

export const tests = [
  function allThreeSources(growths: readonly Growth[]) {
    if (growths.length !== 3) throw new Error(`Fossil, nuclear, renewables: three sources, not ${growths.length}.`);
  },
];
