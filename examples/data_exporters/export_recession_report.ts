import type { BlockArguments } from 'penstock/block';
import type { Recession } from '../transformers/measure_recession.ts';

/** Puts the findings into sentences. A returned text is the output: there is nothing else to do to keep it. */
export default function exportRecessionReport({ inputs }: BlockArguments): string {
  const rows = inputs[0] as readonly Recession[];
  return rows.map(sentence).join('\n');
}

function sentence({ sector, lost_percent, lowest_month, recovered_month }: Recession): string {
  const name = sector.replaceAll('_', ' ');
  if (lost_percent === 0) return `${name} lost no jobs.`;
  const end =
    recovered_month === null ? 'and was not back by the end of 2015' : `and was back in ${recovered_month.slice(0, 7)}`;
  return `${name} lost ${lost_percent} % of its jobs until ${lowest_month.slice(0, 7)} ${end}.`;
}
