import type { GraphQLEnumType, GraphQLSchema } from 'graphql';
import {
  blockRunMoves,
  blockRunStatuses,
  isTerminalBlock,
  isTerminalRun,
  pipelineRunMoves,
  pipelineRunStatuses,
  statusReasonCodes,
} from '../src/domain/lifecycle.ts';

type Move = { readonly from: string | null; readonly to: string; readonly when: string };
type Thing = {
  readonly title: string;
  /** The enum of the public API whose descriptions explain the statuses. */
  readonly enumName: string;
  readonly statuses: readonly string[];
  readonly isTerminal: (status: string) => boolean;
  readonly moves: readonly Move[];
};

const things: readonly Thing[] = [
  {
    title: 'Pipeline runs',
    enumName: 'PipelineRunStatus',
    statuses: pipelineRunStatuses,
    isTerminal: isTerminalRun as (status: string) => boolean,
    moves: pipelineRunMoves,
  },
  {
    title: 'Block runs',
    enumName: 'BlockRunStatus',
    statuses: blockRunStatuses,
    isTerminal: isTerminalBlock as (status: string) => boolean,
    moves: blockRunMoves,
  },
];

const opening = `<!-- Printed from src/domain/lifecycle.ts by \`npm run generate\`. Do not edit. -->
# Lifecycle

Every status that a run or a block run can have, and every legal move between them. A status changes in one statement that is
guarded by the status before, and its event is written in the same transaction: status and history never tell different stories.

Statuses are shown here as the database has them; the API writes them in capitals.`;

/** docs/lifecycle.md as text: the tables of the domain, explained in the words of the schema. */
export function lifecyclePage(schema: GraphQLSchema): string {
  return [opening, ...things.map((thing) => chapter(thing, schema)), reasons(schema)].join('\n\n').concat('\n');
}

function chapter({ title, enumName, statuses, isTerminal, moves }: Thing, schema: GraphQLSchema): string {
  const explained = descriptions(schema, enumName);
  const statusRows = statuses.map((status) => [
    `\`${status}\``,
    isTerminal(status) ? 'yes' : 'no',
    explained(status.toUpperCase()),
  ]);
  const moveRows = moves.map(({ from, to, when }) => [from === null ? '–' : `\`${from}\``, `\`${to}\``, when]);
  return [
    `## ${title}`,
    table(['Status', 'Ended', 'Means'], statusRows),
    diagram(moves, statuses.filter(isTerminal)),
    table(['From', 'To', 'When'], moveRows),
  ].join('\n\n');
}

/** A state diagram. A retry leads back from every end, so an end has no arrow out of the picture. */
function diagram(moves: readonly Move[], ends: readonly string[]): string {
  const arrows = moves.map(({ from, to }) => `  ${from ?? '[*]'} --> ${to}`);
  return [
    '```mermaid',
    'stateDiagram-v2',
    ...arrows,
    `  classDef ended font-weight:bold`,
    `  class ${ends.join(',')} ended`,
    '```',
  ].join('\n');
}

function reasons(schema: GraphQLSchema): string {
  const explained = descriptions(schema, 'StatusReasonCode');
  return [
    '## Reasons',
    'Every end has a reason: a code for programs and a sentence for people (`statusReason { code message actor }`).',
    table(
      ['Code', 'Means'],
      statusReasonCodes.map((code) => [`\`${code}\``, explained(code)]),
    ),
  ].join('\n\n');
}

function descriptions(schema: GraphQLSchema, enumName: string): (value: string) => string {
  const values = schema.getType(enumName) as GraphQLEnumType;
  return (value) => values.getValue(value)?.description ?? '';
}

/** A table with columns of even width, as `biome format` would have it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...rows].map(line).join('\n');
}
