import { createHash } from 'node:crypto';
import type { PipelineDefinition } from '../domain/pipeline.ts';

/** Names a definition with all its code: equal for equal ones on any machine, whatever the order of keys in the files. */
export function versionOf(definition: PipelineDefinition): string {
  return createHash('sha256').update(JSON.stringify(definition, sortKeys)).digest('hex').slice(0, 16);
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
