import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { forbiddenImports } from '../scripts/import-rules.ts';
import { readSourceFiles } from '../scripts/source-files.ts';

/** What the rules say about one file of src/ with this text. */
const findings = (path: string, text: string) => forbiddenImports([{ path, text }]);

test('every file of src/ has a room and keeps to its rules', () => {
  const files = readSourceFiles();
  expect(files.length).toBeGreaterThan(100);
  expect(forbiddenImports(files)).toEqual([]);
});

describe('the rules would notice', () => {
  test.each([
    ['the domain looking into the store', 'domain/run.ts', "import { step } from '../store/step.ts';"],
    ['a type taken from a room above', 'store/step.ts', "import type { EngineContext } from '../engine/context.ts';"],
    [
      'an import in many lines',
      'domain/run.ts',
      "import {\n  type Database,\n  openDatabase,\n} from '../store/database.ts';",
    ],
    ['a re-export', 'domain/run.ts', "export { step } from '../store/step.ts';"],
    ['an import at run time', 'domain/run.ts', "await import('../store/step.ts');"],
    ['an import for its effects', 'domain/run.ts', "import '../store/step.ts';"],
    ['a thread of another room', 'domain/run.ts', "new Worker(new URL('../worker/beat-thread.ts', import.meta.url));"],
    ['the API reading through a file that writes', 'graphql/pipeline.ts', "import { x } from '../store/catalog.ts';"],
    ['the server knowing the store', 'server/http.ts', "import { x } from '../store/database.ts';"],
    ['a client that knows the server', 'client/client.ts', "import { x } from '../graphql/scalars.ts';"],
    ['product code that needs a test', 'store/step.ts', "import { x } from '../../test/support/engine.ts';"],
    ['a package in the domain', 'domain/run.ts', "import { z } from 'zod';"],
    ['Node in the domain', 'domain/run.ts', "import { randomUUID } from 'node:crypto';"],
  ])('%s', (_what, path, text) => {
    expect(findings(path, text)).toContainEqual(
      expect.stringMatching(new RegExp(`^src/${path}:1: .* must not import `)),
    );
  });

  test('a file in no room', () => {
    expect(findings('helpers/text.ts', '')).toEqual([expect.stringContaining('belongs to no room')]);
    expect(findings('app.ts', '')).toEqual([expect.stringContaining('belongs to no room')]);
  });

  test('a verb called past the engine', () => {
    const text = "\nimport { applyRunPlan, type PlannedRun } from '../store/run-plans.ts';";
    expect(findings('scheduler/scheduler.ts', text)).toEqual([
      'src/scheduler/scheduler.ts:2: only engine may call applyRunPlan',
    ]);
    expect(findings('engine/settle-runs.ts', text)).toEqual([]);
  });

  test.each([
    'await client.query("update block_run set attempt = 2, status = $1")',
    'await client.query("UPDATE pipeline_run AS r SET status = $1")',
    'await client.query("insert into run_event (id) values (1)")',
    "await prisma.pipelineRun.updateMany({ data: { status: 'failed' } })",
  ])('a row written outside the store: %s', (text) => {
    expect(findings('engine/settle-runs.ts', text)).toEqual([expect.stringContaining('only src/store')]);
    expect(findings('store/step.ts', text)).toEqual([]);
  });

  test.each(['Date.now()', 'new Date()', 'Math.random()', 'randomUUID()'])(
    'a clock or a die in a decision: %s',
    (text) => {
      for (const room of ['domain', 'engine']) {
        expect(findings(`${room}/run.ts`, `const x = ${text};`)).toEqual([
          expect.stringContaining('come in as arguments'),
        ]);
      }
      expect(findings('app/start-app.ts', `const x = ${text};`)).toEqual([]);
    },
  );
});

test('what a comment shows as an example is no import', () => {
  expect(findings('block.ts', "/**\n * import type { Block } from 'penstock/block';\n */")).toEqual([]);
});

describe('what a process reads before it starts', () => {
  const files = new Map(readSourceFiles().map((file) => [file.path, file.text]));

  /** Everything that is imported by a file and by what it imports, at once and not for its types alone. */
  function readWith(path: string, seen = new Set<string>()): ReadonlySet<string> {
    if (seen.has(path)) return seen;
    seen.add(path);
    const text = files.get(path) ?? '';
    for (const [, types, names = '', from = ''] of text.matchAll(
      /^(?:import|export)\s+(type\s+)?([^;'"]*?)(?:\s*from\s*)?'([^']+)';/gm,
    )) {
      const isForTypes = types !== undefined || /^\{(\s*type\s+\w+,?)+\s*\}$/.test(names);
      if (!isForTypes) readWith(from.startsWith('.') ? posix.join(posix.dirname(path), from) : from, seen);
    }
    return seen;
  }

  test('is neither the API nor the project where it only works', () => {
    const ofAll = [...readWith('cli/main.ts'), ...readWith('app/start-app.ts'), ...readWith('app/worker-role.ts')];
    expect(ofAll).toContain('worker/worker.ts');
    expect(ofAll.filter((path) => /^(graphql|generated\/graphql|project)(\/|$)/.test(path))).toEqual([]);
    expect([...readWith('app/api-role.ts')]).toContain('graphql');
  });

  test('is nearly nothing before the cache of what was compiled is on', () => {
    expect([...readWith('cli/main.ts')].sort()).toEqual(['cli/main.ts', 'node:module', 'node:path']);
  });
});
