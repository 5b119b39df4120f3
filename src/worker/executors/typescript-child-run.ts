import type { BlockArguments, BlockContext } from '../../block.ts';
import type { BlockTestResult, OutputManifest } from '../../domain/outputs.ts';
import type { Asking } from './typescript-child-asking.ts';
import type { Attempt } from './typescript-child-current.ts';
import { BlockMistake, describeError } from './typescript-child-errors.ts';
import { readInputs } from './typescript-child-inputs.ts';
import { logger } from './typescript-child-logs.ts';
import type { BlockModules, ModuleExports } from './typescript-child-modules.ts';
import { storeOutputs } from './typescript-child-outputs.ts';
import type { BlockMode, TaskFrame } from './typescript-protocol.ts';

export type BlockWork = {
  readonly task: TaskFrame;
  /** The run's variables as JSON text. */
  readonly variables: string;
  readonly projectDir: string;
  readonly modules: BlockModules;
  readonly attempt: Attempt;
  readonly asking: Asking;
};

export type BlockResult = {
  readonly outputs: readonly OutputManifest[];
  readonly tests: readonly BlockTestResult[];
  /** A sensor said no. */
  readonly notYet?: boolean;
};

/** Loads the block, calls it, stores what it gives and runs its tests. Rejects with what the block threw. */
export async function runBlock(work: BlockWork): Promise<BlockResult> {
  const { task } = work;
  const exports = await work.modules.load(task.file, task.source);
  const block = pickFunction(exports, task.mode, task.blockUuid);
  const inputs = await readInputs(task.inputs, task.outputsRoot);
  const returned: unknown = await block(argumentsOf(work, inputs));
  if (task.mode === 'sensor') return { outputs: [], tests: [], notYet: !returned };
  const stored = await storeOutputs(returned, task);
  return { outputs: stored.manifests, tests: await runTests(exports, stored.values) };
}

/** What a block is called with. `signal` is a getter, to know whether the block cares for it; `variables` so that each call has its own copy, made only when wanted. */
function argumentsOf(
  { task, variables, projectDir, attempt, asking }: BlockWork,
  inputs: readonly unknown[],
): BlockArguments {
  let parsed: BlockArguments['variables'] | null = null;
  const parse = () => {
    parsed ??= JSON.parse(variables) as BlockArguments['variables'];
    return parsed;
  };
  return {
    inputs,
    get variables() {
      return parse();
    },
    get executionDate() {
      return new Date(parse().execution_date ?? Number.NaN);
    },
    get signal() {
      attempt.signalTaken = true;
      return attempt.abort.signal;
    },
    configuration: task.configuration,
    logger,
    retry: { attempts: task.retryAttempt },
    context: withCalls(
      {
        pipelineUuid: task.pipelineUuid,
        blockUuid: task.blockUuid,
        parentBlockUuid: task.parent?.blockUuid ?? null,
        ended: task.parent?.callback ?? null,
        pipelineRunId: task.pipelineRunId,
        blockRunId: task.blockRunId,
        attempt: task.attempt,
        fence: task.fence,
        projectDir,
      },
      asking,
    ),
  };
}

/** A call is no fact: a block that hands its context on as data hands on the facts. */
function withCalls(facts: Omit<BlockContext, 'triggerPipeline'>, { triggerPipeline }: Asking): BlockContext {
  return Object.defineProperty(facts, 'triggerPipeline', { value: triggerPipeline }) as BlockContext;
}

function pickFunction(exports: ModuleExports, mode: BlockMode, blockUuid: string): (args: BlockArguments) => unknown {
  const named = mode === 'block' ? undefined : exported(exports, mode);
  const block = named ?? defaultExport(exports);
  if (typeof block === 'function') return block as (args: BlockArguments) => unknown;
  throw new BlockMistake(
    'NoBlockFunction',
    `Block ${blockUuid} exports no function to run: write \`export default async function ({ inputs, variables }) { … }\`.`,
  );
}

/** CommonJS files arrive as one default export that is, or holds, everything. */
function defaultExport({ default: given }: ModuleExports): unknown {
  const inner = (given as { default?: unknown } | null | undefined)?.default;
  return typeof given !== 'function' && typeof inner === 'function' ? inner : given;
}

function exported(exports: ModuleExports, name: string): unknown {
  return exports[name] ?? (exports.default as Record<string, unknown> | null | undefined)?.[name];
}

async function runTests(exports: ModuleExports, values: readonly unknown[]): Promise<readonly BlockTestResult[]> {
  const results: BlockTestResult[] = [];
  for (const [name, test] of testsOf(exports)) results.push(await runTest(name, test, values));
  return results;
}

async function runTest(name: string, test: unknown, values: readonly unknown[]): Promise<BlockTestResult> {
  try {
    if (typeof test !== 'function') throw new TypeError(`It is a ${typeof test} and not a function.`);
    const passed = (await test(...values)) !== false;
    return { name, passed, message: passed ? null : 'It returned false.' };
  } catch (error) {
    const { type, message } = describeError(error);
    return { name, passed: false, message: `${type}: ${message}` };
  }
}

/** `test` and `tests`, each a function, an array of them, or an object of them; with the names to call them by. */
function testsOf(exports: ModuleExports): readonly (readonly [string, unknown])[] {
  return ['test', 'tests'].flatMap((name): (readonly [string, unknown])[] => {
    const given = exported(exports, name);
    if (given === undefined || given === null) return [];
    if (Array.isArray(given))
      return given.map((test, index) => [nameOf(test) ?? `${name} ${index + 1}`, test] as const);
    return typeof given === 'object' ? Object.entries(given) : [[nameOf(given) ?? name, given] as const];
  });
}

function nameOf(test: unknown): string | null {
  return typeof test === 'function' && test.name !== '' ? test.name : null;
}
