import { getIntrospectionQuery } from 'graphql';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { documentLimits } from '../../src/graphql/limits.ts';
import { createDocumentCache } from '../../src/server/document-cache.ts';
import type { OperationRequest } from '../../src/server/operation-request.ts';
import type { OperationRoom } from '../../src/server/operation-room.ts';
import { prepareOperation } from '../../src/server/prepare-operation.ts';
import { doors } from './support/carry.ts';
import { createFountain } from './support/fountain.ts';
import { createSampleSchema } from './support/sample-schema.ts';
import { startSample } from './support/sample-server.ts';

/** A document that asks for much with few characters: each of `levels` fragments spreads the next one twice. */
const bomb = (levels: number) =>
  `{ ...F0 } ${Array.from({ length: levels }, (_, i) => `fragment F${i} on Query { a: self { ...F${i + 1} } b: self { ...F${i + 1} } }`).join(' ')} fragment F${levels} on Query { hello }`;

const attacks: readonly (readonly [string, string])[] = [
  ['1,000 aliases', `{ ${Array.from({ length: 1_000 }, (_, i) => `a${i}: hello`).join(' ')} }`],
  ['31 aliases', `{ ${Array.from({ length: 31 }, (_, i) => `a${i}: hello`).join(' ')} }`],
  ['500 directives', `{ hello ${'@a '.repeat(500)} }`],
  ['the same field 5,000 times', `{ ${'hello '.repeat(5_000)} }`],
  ['13 levels', `{ ${'self { '.repeat(13)} hello ${'}'.repeat(13)} }`],
  ['400 levels', `{ ${'self { '.repeat(400)} hello ${'}'.repeat(400)} }`],
  ['a bomb of 14 fragments', bomb(14)],
  ['a bomb of 60 fragments', bomb(60)],
  ['fragments in a circle', '{ ...A } fragment A on Query { self { ...B } } fragment B on Query { self { ...A } }'],
  ['a fragment that spreads itself', '{ ...A } fragment A on Query { hello ...A }'],
  ['introspection in circles', `{ __schema { types { ${'fields { type { '.repeat(6)} name ${'} }'.repeat(6)} } } }`],
  ['brackets without end', `{ echo(json: ${'['.repeat(5_000)}1${']'.repeat(5_000)}) }`],
];

describe.each(doors)('by %s', (_, carry) => {
  it.each(attacks)('%s is refused, and nothing is executed', async (_, query) => {
    const sample = await startSample({ introspectingRoles: [] });
    const answer = await carry(sample, { query });
    expect(answer.errors?.[0]?.extensions?.code).toMatch(
      /^(TOO_EXPENSIVE|GRAPHQL_PARSE_FAILED|GRAPHQL_VALIDATION_FAILED|FORBIDDEN)$/,
    );
    expect(answer.data).toBeUndefined();
    expect(sample.contexts).toEqual([]);
  });

  it('a document that is too much to be checked is refused with a sentence', async () => {
    const sample = await startSample();
    const answer = await carry(sample, { query: `{ ${'self { hello } '.repeat(450)} }` });
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringContaining('too many fields side by side'),
      extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
    });
  });

  it('the introspection of tools is let through for those who may read the schema', async () => {
    const sample = await startSample();
    const query = getIntrospectionQuery({ inputValueDeprecation: true, schemaDescription: true, specifiedByUrl: true });
    expect(await carry(sample, { query })).toMatchObject({ data: { __schema: {} } });
  });
});

it.each(attacks)('%s costs less than 50 ms of processor time', (_, query) => {
  const room: OperationRoom = {
    schema: createSampleSchema({ fountain: createFountain(), bumps: 0, contexts: [], gate: Promise.resolve() }),
    createContext: () => ({}),
    limits: documentLimits,
    documents: createDocumentCache(),
    introspectingRoles: [],
    deadlineMs: 1_000,
    logger: pino({ level: 'silent' }),
  };
  const request: OperationRequest = {
    requestId: '1',
    transport: 'POST',
    principal: { name: 'mallory', role: 'VIEWER' },
    isFromBrowser: false,
    signal: new AbortController().signal,
    lastEventId: null,
  };
  const before = process.cpuUsage();
  expect(prepareOperation(room, request, { query }).ok).toBe(false);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(50);
});
