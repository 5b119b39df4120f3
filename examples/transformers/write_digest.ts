import type { BlockArguments } from 'penstock/block';

/** Says in one sentence which years were the warmest. */
export default function writeDigest({ inputs }: BlockArguments): string {
  const byYear = inputs[0] as Readonly<Record<string, number>>;
  const warmest = Object.entries(byYear)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([year, degrees]) => `${year} (+${degrees} °C)`);
  return `The warmest of ${Object.keys(byYear).length} years: ${warmest.join(', ')}.`;
}
