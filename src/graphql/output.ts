import type { BlockTestResult, OutputKind, OutputManifest } from '../domain/outputs.ts';
import { mostSampleRows, type OutputSample } from '../outputs/sample-output.ts';
import { OutputGoneError } from '../outputs/stored-file.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { enumValues } from './enums.ts';
import { invalidInput, outputGone } from './request-errors.ts';

/** What can be shown of stored outputs: the facts about each, and as much of the content as was asked for. */

const outputKinds: readonly OutputKind[] = ['table', 'json', 'text', 'image', 'binary'];
const OutputKindRef = builder.enumType('OutputKind', {
  description: 'What an output is, and so which of its fields are filled.',
  values: enumValues(outputKinds, {
    table: 'Rows and columns: `columns` and `rows`.',
    json: 'A JSON value: `value`.',
    text: 'Text: `text`.',
    image: 'An image.',
    binary: 'Anything else; `text` describes it.',
  } satisfies Record<OutputKind, string>),
});

const OutputColumn = builder.objectRef<OutputManifest['columns'][number]>('OutputColumn').implement({
  description: 'A column of a table.',
  authScopes: forViewers,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name.' }),
    type: t.exposeString('type', { description: "Its type, in the words of the block's language." }),
  }),
});

export const BlockOutputRef = builder.objectRef<OutputSample>('BlockOutput').implement({
  description: 'A sample of one stored output.',
  authScopes: forViewers,
  fields: (t) => ({
    name: t.exposeString('name', { description: '`output_0`, `output_1` …' }),
    kind: t.expose('kind', { type: OutputKindRef, description: 'What it is.' }),
    columns: t.field({
      type: [OutputColumn],
      description: 'Of a table: its columns.',
      resolve: ({ columns }) => [...columns],
    }),
    rows: t.field({
      type: t.listRef(t.listRef('JSON', { nullable: true })),
      description: 'Of a table: its first rows, each a list of values in the order of the columns.',
      resolve: ({ rows }) => rows,
    }),
    value: t.expose('value', {
      type: 'JSON',
      nullable: true,
      description: 'Of a JSON value: the value, where it is small enough to show.',
    }),
    text: t.exposeString('text', {
      nullable: true,
      description: 'Of a text or a large JSON value: its beginning. Of anything binary: a description.',
    }),
    rowCount: t.exposeFloat('rowCount', { nullable: true, description: 'Of a table: all its rows.' }),
    columnCount: t.exposeInt('columnCount', { nullable: true, description: 'Of a table: all its columns.' }),
    sizeBytes: t.exposeFloat('sizeBytes', { description: 'As stored.' }),
    mimeType: t.exposeString('mimeType', { nullable: true, description: 'Where it has one.' }),
    truncated: t.exposeBoolean('truncated', { description: 'Whether there is more than what is shown here.' }),
  }),
});

export const BlockTestRef = builder.objectRef<BlockTestResult>('BlockTest').implement({
  description: "A test of a block's output, as it went.",
  authScopes: forViewers,
  fields: (t) => ({
    name: t.exposeString('name', { description: "The test function's name." }),
    passed: t.exposeBoolean('passed', { description: 'Whether it passed.' }),
    message: t.exposeString('message', { nullable: true, description: 'Why it did not.' }),
  }),
});

export const sampleCountArguments = builder.args((t) => ({
  sampleCount: t.int({
    defaultValue: 100,
    description: `Of a table: how many rows to show, 100 unless given, at most ${mostSampleRows}.`,
  }),
}));

/** Reads samples of stored outputs; rejects when the store can't be reached, or the data was removed from it. */
export async function sampleOutputs(
  { outputs }: GraphQLContext,
  stored: unknown,
  sampleCount: number | null | undefined,
): Promise<OutputSample[]> {
  const count = sampleCount ?? 100;
  if (count < 0 || count > mostSampleRows) {
    throw invalidInput(`\`sampleCount\` is ${count}; it can be 0 to ${mostSampleRows}.`);
  }
  const manifests = (stored ?? []) as readonly OutputManifest[];
  try {
    return await Promise.all(manifests.map((manifest) => outputs.sample(outputs.root, manifest, count)));
  } catch (error) {
    throw error instanceof OutputGoneError ? outputGone(error.message) : error;
  }
}
