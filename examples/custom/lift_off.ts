import type { BlockArguments } from 'penstock/block';

/** Needs both: the end of the countdown and full tanks. */
export default function liftOff({ inputs: [count, tanks] }: BlockArguments): string {
  return `At ${count}, with ${tanks.litres} litres: lift-off.`;
}
