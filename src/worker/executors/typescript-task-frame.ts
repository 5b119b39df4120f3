import type { AttemptTask } from '../executor.ts';
import type { Job } from './typescript-job.ts';
import type { TaskFrame } from './typescript-protocol.ts';

/** What a child needs to run an attempt. `isKnown`: it has the code; `variables`: null when they are those of the frame before. */
export function taskFrame(
  { task, codeId, source, isHeld }: Job,
  isKnown: boolean,
  variables: string | null,
): TaskFrame {
  return {
    file: task.file,
    codeId,
    source: isKnown ? null : source,
    mode: modes[task.blockType] ?? 'block',
    pipelineUuid: task.pipelineUuid,
    blockUuid: task.blockUuid,
    pipelineRunId: task.pipelineRunId,
    blockRunId: task.blockRunId,
    attempt: task.attempt,
    retryAttempt: task.retryAttempt,
    fence: task.fence,
    configuration: task.configuration,
    variables,
    inputs: task.inputs,
    ...(task.parent ? { parent: task.parent } : {}),
    outputsRoot: task.outputsRoot,
    outputPath: task.outputPath,
    isHeld,
  };
}

const modes: { readonly [blockType: string]: TaskFrame['mode'] } = {
  conditional: 'condition',
  sensor: 'sensor',
  callback: 'callback',
};

const variablesTexts = new WeakMap<object, string>();

/** The variables of a run as JSON text: made once, since the blocks of a run share one object. */
export function variablesText({ variables }: AttemptTask): string {
  const known = variablesTexts.get(variables);
  if (known !== undefined) return known;
  const text = JSON.stringify(variables);
  variablesTexts.set(variables, text);
  return text;
}
