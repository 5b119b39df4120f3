import { builder, forViewers } from './builder.ts';

export type ResourceUsage = {
  readonly cpuTimeMs: number;
  readonly maxRssBytes: number;
  readonly wallTimeMs: number;
};

export const ResourceUsageRef = builder.objectRef<ResourceUsage>('ResourceUsage').implement({
  description: 'What was used. Of a run: the sum of CPU time, the largest memory.',
  authScopes: forViewers,
  fields: (t) => ({
    cpuTimeMs: t.exposeFloat('cpuTimeMs', { description: 'CPU time, user and system.' }),
    maxRssBytes: t.exposeFloat('maxRssBytes', { description: 'The largest resident memory of a block process.' }),
    wallTimeMs: t.exposeFloat('wallTimeMs', { description: 'From start to end.' }),
  }),
});

type Measured = { readonly cpuTimeMs: number | null; readonly maxRssBytes: number | null };

/** Null when nothing was measured, or it has not ended. */
export function resourceUsage(measured: Measured | null, wallTimeMs: number | null): ResourceUsage | null {
  if (measured?.cpuTimeMs == null || measured.maxRssBytes == null || wallTimeMs === null) return null;
  return { cpuTimeMs: measured.cpuTimeMs, maxRssBytes: measured.maxRssBytes, wallTimeMs };
}
