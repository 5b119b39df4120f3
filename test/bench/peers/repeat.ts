import type { Figures } from '../benchmark.ts';
import { median } from '../verdict.ts';

/** Runs one chain after the other, `count` times; the round's value is the median of their wall times in milliseconds. */
export async function measureChains(count: number, steps: number, runChain: () => Promise<void>): Promise<Figures> {
  const wallMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await runChain();
    wallMs.push(performance.now() - started);
  }
  return { value: median(wallMs), operations: count * steps, raw: { wallMs } };
}
