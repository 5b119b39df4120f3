import type { Refusal } from '../domain/refusal.ts';
import type { GraphQLContext } from './context.ts';
import { whyNotStorable } from './json-input.ts';

/** The refusal of a pipeline that there has never been; null for one whose runs may still be there, though its files are gone. */
export async function refuseUnknownPipeline({ database }: GraphQLContext, uuid: string): Promise<Refusal | null> {
  const isKnown = whyNotStorable(uuid) === null && (await database.prisma.pipeline.count({ where: { uuid } })) > 0;
  if (isKnown) return null;
  return {
    code: 'NOT_FOUND',
    path: ['input', 'pipelineUuid'],
    message: `There is no pipeline named ${JSON.stringify(uuid)}. The query { pipelines { nodes { uuid } } } lists those that there are.`,
  };
}
