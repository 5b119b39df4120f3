import type { BlockArguments } from 'penstock/block';
import type { TidyRow } from './tidy_jobs.ts';

/** What the recession did to a sector. */
export type Recession = {
  readonly sector: string;
  readonly peak_month: string;
  readonly lowest_month: string;
  /** Jobs lost from the peak to the lowest month, in percent. */
  readonly lost_percent: number;
  /** The first month with as many jobs as at the peak; null when that did not happen. */
  readonly recovered_month: string | null;
};

const lastYearBefore = '2008-12-01';

/** Finds each sector's peak before the crisis, its lowest month after, and when it was back; hardest hit first. */
export default function measureRecession({ inputs, logger }: BlockArguments): Recession[] {
  const rows = inputs[0] as readonly TidyRow[];
  const bySector = Map.groupBy(rows, (row) => row.sector);
  const found = [...bySector.values()].map(measure).sort((a, b) => b.lost_percent - a.lost_percent);
  logger.info(`Hardest hit: ${found[0]?.sector}, which lost ${found[0]?.lost_percent} % of its jobs`);
  return found;
}

function measure(months: readonly TidyRow[]): Recession {
  const peak = months.filter(({ month }) => month <= lastYearBefore).reduce((a, b) => (b.jobs > a.jobs ? b : a));
  const after = months.filter(({ month }) => month >= peak.month);
  const lowest = after.reduce((a, b) => (b.jobs < a.jobs ? b : a));
  const recovered = after.find(({ month, jobs }) => month > lowest.month && jobs >= peak.jobs);
  return {
    sector: peak.sector,
    peak_month: peak.month,
    lowest_month: lowest.month,
    lost_percent: Math.round((1 - lowest.jobs / peak.jobs) * 1000) / 10,
    recovered_month: recovered?.month ?? null,
  };
}

export const tests = [
  function nobodyLostLessThanNothing(rows: readonly Recession[]) {
    if (rows.some((row) => row.lost_percent < 0)) throw new Error('The lowest month is above the peak.');
  },
  function constructionWasHitHard(rows: readonly Recession[]) {
    const construction = rows.find((row) => row.sector === 'construction');
    if (!construction || construction.lost_percent < 20) throw new Error('Construction lost over a fifth of its jobs.');
  },
];
