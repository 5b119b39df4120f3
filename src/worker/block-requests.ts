import { z } from 'zod';
import type { JsonObject } from '../domain/pipeline.ts';

/**
 * What the code of a block may ask of its worker while it runs. It comes over the attempt's own pipe, so that a block needs no
 * token; but the block's process wrote it, so nothing in it is believed before it is read here.
 */
const blockRequest = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('triggerPipeline'),
    pipelineUuid: z.string().min(1).max(255),
    variables: z.record(z.string(), z.json()).transform((variables) => variables as JsonObject),
    /** The name of a trigger whose settings the run gets. */
    triggerName: z.string().max(255).nullable(),
    waits: z.boolean(),
    /** How long to wait, in seconds; null: as long as it takes. */
    patienceSeconds: z.number().positive().nullable(),
  }),
  z.object({
    method: z.literal('hasCompleted'),
    pipelineUuid: z.string(),
    blockUuid: z.string().nullable(),
    executionDate: z.coerce.date(),
    hours: z.number().positive(),
  }),
]);

export type BlockRequest = z.infer<typeof blockRequest>;

/** Reads a request; a sentence when it is none. */
export function readBlockRequest(written: unknown): BlockRequest | string {
  const read = blockRequest.safeParse(written);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  return `The call can't be understood: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim();
}
