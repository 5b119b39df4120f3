import { BlockRunRef } from './block-run.ts';
import { builder } from './builder.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { PipelineRunConnectionRef, pipelineRunPage } from './pipeline-run-list.ts';

/** Runs that blocks of other runs have started. */

builder.prismaObjectField(PipelineRunRef, 'parentBlockRun', (t) =>
  t.field({
    type: BlockRunRef,
    nullable: true,
    description: 'The block run that started this run; null when none did, or when it was deleted.',
    resolve: (run, _args, { loaders }) =>
      run.parentBlockRunId === null ? null : loaders.blockRun.load(run.parentBlockRunId),
  }),
);

builder.prismaObjectField(PipelineRunRef, 'childRuns', (t) =>
  t.field({
    type: PipelineRunConnectionRef,
    description: "The runs that this run's blocks have started, newest first.",
    args: {
      first: t.arg.int({ description: 'How many: 25 unless given, at most 100.' }),
      after: t.arg.string({ description: 'What follows this cursor.' }),
    },
    resolve: (run, page, context, info) =>
      pipelineRunPage(context, info, { parentRunIds: { in: [run.id] } }, undefined, page),
  }),
);
