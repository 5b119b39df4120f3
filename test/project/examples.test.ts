import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readProject } from '../../src/project/read-project.ts';
import { told } from './support/project-folder.ts';

const examples = await readProject(fileURLToPath(new URL('../../examples', import.meta.url)), { env: {} });

test('the example project has nothing to complain about', () => {
  expect(examples.pipelines.map((pipeline) => pipeline.uuid)).toEqual([
    'flaky_delivery',
    'iowa_energy',
    'seattle_weather',
    'slow_countdown',
    'us_jobs',
  ]);
  const problems = examples.pipelines.flatMap((pipeline) => [
    ...pipeline.problems,
    ...pipeline.triggers.flatMap((trigger) => trigger.problems),
  ]);
  expect(told([...examples.problems, ...problems])).toEqual([]);
});

test('every example starts a run with the server', () => {
  for (const { uuid, triggers } of examples.pipelines) {
    const atOnce = triggers.filter(
      ({ definition }) => definition.status === 'active' && definition.settings.createInitialPipelineRun,
    );
    expect(atOnce, uuid).toHaveLength(1);
  }
});

test('the diamond mixes two languages', () => {
  const diamond = examples.pipelines.find((pipeline) => pipeline.uuid === 'iowa_energy');
  expect(diamond?.definition.blocks.map((block) => [block.uuid, block.language, block.upstreamBlocks])).toEqual([
    ['load_generation', 'python', []],
    ['renewable_share', 'python', ['load_generation']],
    ['growth_by_source', 'typescript', ['load_generation']],
    ['join_energy', 'python', ['renewable_share', 'growth_by_source']],
  ]);
});
