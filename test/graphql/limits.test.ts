import { getIntrospectionQuery, parse } from 'graphql';
import { expect, test } from 'vitest';
import { documentLimits } from '../../src/graphql/limits.ts';
import { createSchema } from '../../src/graphql/schema.ts';

const schema = createSchema();

const refusals = (source: string, { variables = {}, introspectionIsFree = true } = {}): readonly string[] =>
  documentLimits
    .check({ schema, document: parse(source), variables, introspectionIsFree })
    .map((error) => `${error.extensions.code}: ${error.message}`);

const expensive = expect.stringMatching(/^TOO_EXPENSIVE: The document may cost \d+/);

test("GraphiQL's own introspection query passes for who may read the schema, and counts for who may not", () => {
  const introspection = getIntrospectionQuery({ inputValueDeprecation: true, schemaDescription: true });
  expect(refusals(introspection)).toEqual([]);
  expect(refusals(introspection, { introspectionIsFree: false })).toEqual([expect.stringMatching(/fields deep/)]);
});

test('a page of runs, each with fifty block runs and its counts, passes', () => {
  expect(
    refusals(`{
      pipelineRuns(first: 25) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes {
          id status statusReason { code message } pipeline { name tags } attempts { number }
          blockRunCounts { total completed failed running }
          blockRuns(first: 50) { nodes { id name status durationMs error { message } } }
        }
      }
    }`),
  ).toEqual([]);
});

test('one run with a thousand block runs passes', () => {
  expect(refusals('{ pipelineRun(id: "run_1") { blockRuns { nodes { id status durationMs } } } }')).toEqual([]);
});

test('what a person writes who sizes no page passes', () => {
  expect(
    refusals(
      '{ pipelineRuns { nodes { id blockRuns { nodes { blockUuid attempts { number status tests { name } } } } } } }',
    ),
  ).toEqual([]);
  expect(
    refusals(
      '{ pipelineRun(id: "run_1") { blockRuns { nodes { attempts { statusReason { code } } outputs { rows } logs { nodes { message } } } } } }',
    ),
  ).toEqual([]);
});

test('a hundred runs of a hundred block runs are too many, with literals and with variables', () => {
  const page = (first: string) =>
    `{ pipelineRuns(first: ${first}) { nodes { blockRuns(first: ${first}) { nodes { logs(first: ${first}) { nodes { id } } } } } } }`;
  expect(refusals(page('100'))).toEqual([expensive]);
  expect(refusals(`query ($n: Int) ${page('$n')}`, { variables: { n: 100 } })).toEqual([expensive]);
  expect(refusals(`query ($n: Int = 100) ${page('$n')}`)).toEqual([expensive]);
  expect(
    refusals('{ pipelineRuns(first: 100) { edges { node { blockRuns(first: 100) { edges { node { id } } } } } } }'),
  ).toEqual([expensive]);
});

test('what stands in a fragment costs as much as what stands in the open, as often as it is spread', () => {
  // 2 to the power of 60 spreads: only who measures each fragment once ever answers.
  const bomb = Array.from({ length: 60 }, (_, n) => `fragment F${n} on PipelineRun { ...F${n + 1} ...F${n + 1} }`);
  const source = `{ pipelineRuns { nodes { ...F0 } } } ${bomb.join(' ')} fragment F60 on PipelineRun { blockRuns(first: 1) { nodes { id } } }`;
  expect(refusals(source)).toEqual([expensive]);
});

test('a fragment that spreads itself is left to validation', () => {
  expect(refusals('{ pipelineRuns { nodes { ...F } } } fragment F on PipelineRun { id ...F }')).toEqual([]);
});

test('thousands of runs to cancel may not show a thousand block runs each', () => {
  const source =
    'mutation ($ids: [ID!]) { cancelPipelineRuns(input: {selection: {ids: $ids}}) { results { pipelineRun { blockRuns { nodes { id } } } } } }';
  expect(refusals(source, { variables: { ids: Array.from({ length: 1_000 }, (_, n) => `run_${n + 1}`) } })).toEqual([
    expensive,
  ]);
  expect(refusals(source, { variables: { ids: ['run_1'] } })).toEqual([]);
});

test('floods of aliases and directives, and documents deeper than twelve fields, are told so', () => {
  const aliases = Array.from({ length: 31 }, (_, n) => `a${n}: eventCursor`).join(' ');
  expect(refusals(`{ ${aliases} }`)).toEqual([expect.stringMatching(/31 aliases/)]);
  expect(refusals(`{ eventCursor ${'@skip(if: false) '.repeat(21)} }`)).toEqual([
    expect.stringMatching(/21 directives/),
  ]);
  const deep = (levels: number): string => (levels === 0 ? 'id' : `retryOf { ${deep(levels - 1)} }`);
  expect(refusals(`{ pipelineRun(id: "run_1") { ${deep(10)} } }`)).toEqual([]);
  expect(refusals(`{ pipelineRun(id: "run_1") { ${deep(11)} } }`)).toEqual([expect.stringMatching(/13 fields deep/)]);
});

test('names that the schema does not have cost nothing: validation will say what they are', () => {
  expect(refusals('{ nothing(first: 100) { of { this { exists } } } }')).toEqual([]);
});
