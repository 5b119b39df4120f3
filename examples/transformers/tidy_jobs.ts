import type { BlockArguments } from 'penstock/block';
import type { WideRow } from '../data_loaders/load_jobs.ts';

/** One sector in one month. */
export type TidyRow = { readonly sector: string; readonly month: string; readonly jobs: number };

/** The sectors that add up to all jobs outside of farming. The file's other columns are sums of these. */
const sectors = [
  'mining_and_logging',
  'construction',
  'manufacturing',
  'wholesale_trade',
  'retail_trade',
  'transportation_and_warehousing',
  'utilities',
  'information',
  'financial_activities',
  'professional_and_business_services',
  'education_and_health_services',
  'leisure_and_hospitality',
  'other_services',
  'government',
];

/** One row per sector and month instead of one column per sector; months before `from` are left out. */
export default function tidyJobs({ inputs, variables }: BlockArguments): TidyRow[] {
  const rows = inputs[0] as readonly WideRow[];
  const from = String(variables.from);
  return rows
    .filter((row) => row.month >= from)
    .flatMap((row) => sectors.map((sector) => ({ sector, month: row.month, jobs: Number(row[sector]) })));
}

export const tests = [
  function everyFigureIsANumber(rows: readonly TidyRow[]) {
    const wrong = rows.filter((row) => !(row.jobs > 0));
    if (wrong.length > 0) throw new Error(`No figure for ${wrong[0]?.sector} in ${wrong[0]?.month}.`);
  },
];
