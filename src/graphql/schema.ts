import type { GraphQLSchema } from 'graphql';
import './scalars.ts';
import './node.ts';
import './event-cursor.ts';
import './viewer.ts';
import './server.ts';
import './pipeline.ts';
import './pipeline-list.ts';
import './pipeline-run-list.ts';
import './block-run-list.ts';
import './blocker.ts';
import './child-run.ts';
import './log-line-list.ts';
import './run-event-list.ts';
import './trigger-pipeline-run.ts';
import './trigger-pipeline-runs.ts';
import './retry-pipeline-runs.ts';
import './retry-plan.ts';
import './cancel-pipeline-runs.ts';
import './delete-pipeline-runs.ts';
import './preview-pipeline-run-batch.ts';
import './abort-batch-operation.ts';
import './batch-subscription.ts';
import './run-event-subscription.ts';
import './block-run-subscription.ts';
import './pipeline-run-subscription.ts';
import { builder } from './builder.ts';

let schema: GraphQLSchema | undefined;

/** The schema, made from what every noun above has added to the builder. Made once per process. */
export function createSchema(): GraphQLSchema {
  schema ??= builder.toSchema();
  return schema;
}
