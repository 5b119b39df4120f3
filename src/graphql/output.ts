import type { BlockTestResult, OutputKind, OutputManifest } from '../domain/outputs.ts';
import type { Json } from '../domain/pipeline.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { enumValues } from './enums.ts';
import { invalidInput } from './request-errors.ts';

/** What can be shown of one stored output: the facts about the whole, and as much of the content as was asked for. */
export type SampledOutput = {
  readonly rows: readonly (readonly Json[])[];
  readonly value: Json;
  readonly text: string | null;
  readonly truncated: boolean;
};

type ShownOutput = { readonly manifest: OutputManifest; readonly sample: SampledOutput };

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

export const BlockOutputRef = builder.objectRef<ShownOutput>('BlockOutput').implement({
  description: 'A sample of one stored output.',
  authScopes: forViewers,
  fields: (t) => ({
    name: t.string({ description: '`output_0`, `output_1` …', resolve: ({ manifest }) => manifest.name }),
    kind: t.field({ type: OutputKindRef, description: 'What it is.', resolve: ({ manifest }) => manifest.kind }),
    columns: t.field({
      type: [OutputColumn],
      description: 'Of a table: its columns.',
      resolve: ({ manifest }) => [...manifest.columns],
    }),
    rows: t.field({
      type: t.listRef(t.listRef('JSON', { nullable: true })),
      description: 'Of a table: its first rows, each a list of values in the order of the columns.',
      resolve: ({ sample }) => sample.rows,
    }),
    value: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Of a JSON value: the value, or its beginning.',
      resolve: ({ sample }) => sample.value,
    }),
    text: t.string({
      nullable: true,
      description: 'Of a text: the text, or its beginning. Of anything binary: a description.',
      resolve: ({ sample }) => sample.text,
    }),
    rowCount: t.float({
      nullable: true,
      description: 'Of a table: all its rows.',
      resolve: ({ manifest }) => manifest.rowCount,
    }),
    columnCount: t.int({
      nullable: true,
      description: 'Of a table: all its columns.',
      resolve: ({ manifest }) => manifest.columnCount,
    }),
    sizeBytes: t.float({ description: 'As stored.', resolve: ({ manifest }) => manifest.sizeBytes }),
    mimeType: t.string({
      nullable: true,
      description: 'Where it has one.',
      resolve: ({ manifest }) => manifest.mimeType,
    }),
    truncated: t.boolean({
      description: 'Whether there is more than what is shown here.',
      resolve: ({ sample }) => sample.truncated,
    }),
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

const mostRows = 1_000;

export const sampleCountArguments = builder.args((t) => ({
  sampleCount: t.int({
    defaultValue: 100,
    description: `Of a table: how many rows to show, 100 unless given, at most ${mostRows}.`,
  }),
}));

/** Reads samples of stored outputs; rejects when the store can't be reached. */
export function sampleOutputs(
  { outputs }: GraphQLContext,
  stored: unknown,
  sampleCount: number | null | undefined,
): Promise<ShownOutput[]> {
  const count = sampleCount ?? 100;
  if (count < 0 || count > mostRows) throw invalidInput(`\`sampleCount\` is ${count}; it can be 0 to ${mostRows}.`);
  const manifests = (stored ?? []) as readonly OutputManifest[];
  return Promise.all(
    manifests.map(async (manifest) => ({ manifest, sample: await outputs.sample(outputs.root, manifest, count) })),
  );
}
