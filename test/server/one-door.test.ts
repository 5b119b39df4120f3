import { GraphQLError } from 'graphql';
import { describe, expect, it } from 'vitest';
import { doors } from './support/carry.ts';
import { secret } from './support/sample-schema.ts';
import { type Answer, startSample } from './support/sample-server.ts';

const codeOf = (answer: Answer) => answer.errors?.[0]?.extensions?.code;
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });

describe.each(doors)('by %s', (door, carry) => {
  it('a query is answered', async () => {
    const sample = await startSample();
    const variables = { name: 'Ada' };
    expect(
      await carry(sample, { query: 'query Q($name: String) { hello(name: $name) }', variables, operationName: 'Q' }),
    ).toEqual({
      data: { hello: 'hello Ada' },
    });
  });

  it('a mutation runs only where another page could not have caused it', async () => {
    const sample = await startSample();
    const answer = await carry(sample, { query: 'mutation { bump }' });
    const isGet = door.includes('GET');
    expect(sample.bumps).toBe(isGet ? 0 : 1);
    if (isGet) expect(codeOf(answer)).toBe('WRONG_TRANSPORT');
    else expect(answer).toEqual({ data: { bump: 1 } });
  });

  it('a mutation can not be hidden behind the query of another operation', async () => {
    const sample = await startSample();
    const query = 'query Harmless { hello } mutation Harm { bump }';
    await carry(sample, { query, operationName: 'Harm' });
    expect(sample.bumps).toBe(door.includes('GET') ? 0 : 1);
  });

  it('a subscription is carried where many answers fit', async () => {
    const sample = await startSample();
    const asking = carry(sample, { query: 'subscription { ticks(after: "0") { n } }' });
    if (door === 'POST' || door === 'GET') {
      expect(codeOf(await asking)).toBe('WRONG_TRANSPORT');
      return;
    }
    await sample.fountain.untilOpen(1);
    sample.fountain.push();
    expect(await asking).toEqual({ data: { ticks: { n: 1 } } });
  });

  it.each([
    ['a syntax error', '{ hello', 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', '{ helo }', 'GRAPHQL_VALIDATION_FAILED'],
    ['an unnamed choice', 'query A { hello } query B { hello }', 'OPERATION_RESOLUTION_FAILURE'],
    ['more than 2,000 tokens', `{ ${'hello '.repeat(2_001)} }`, 'GRAPHQL_PARSE_FAILED'],
    ['a prototype key in the document', '{ echo(json: {a: [{__proto__: {admin: true}}]}) }', 'BAD_REQUEST'],
    ['a constructor in the document', '{ echo(json: {constructor: 1}) }', 'BAD_REQUEST'],
  ])('%s is refused', async (_, query, code) => {
    const sample = await startSample();
    expect(codeOf(await carry(sample, { query }))).toBe(code);
    expect(sample.contexts).toEqual([]);
  });

  it('a prototype key in variables is refused, at any depth', async () => {
    const sample = await startSample();
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const variables = JSON.parse(`{"json": [{"${key}": {"admin": true}}]}`) as unknown;
      const answer = await carry(sample, { query: 'query ($json: JSON) { echo(json: $json) }', variables });
      expect(answer.errors?.[0]?.message).toBe(`"${key}" may not be the name of a member of an object.`);
    }
    expect(sample.contexts).toEqual([]);
  });

  it('variables may be nested, but not without end', async () => {
    const sample = await startSample();
    const query = 'query ($json: JSON) { echo(json: $json) }';
    expect(await carry(sample, { query, variables: { json: nested(29) } })).toMatchObject({ data: {} });
    for (const depth of [32, 400]) {
      expect((await carry(sample, { query, variables: { json: nested(depth) } })).errors?.[0]?.message).toMatch(
        /32 levels/,
      );
    }
  });

  it('limits are asked before the document is validated, and get the variables', async () => {
    const asked: unknown[] = [];
    const check = ({ variables, introspectionIsFree }: { variables: unknown; introspectionIsFree: boolean }) => {
      asked.push({ variables, introspectionIsFree });
      return [new GraphQLError('Too much.', { extensions: { code: 'TOO_EXPENSIVE' } })];
    };
    const sample = await startSample({ documentLimits: { maxTokens: 2_000, check } });
    expect(codeOf(await carry(sample, { query: '{ thisIsNoField }', variables: { first: 9 } }))).toBe('TOO_EXPENSIVE');
    expect(asked).toEqual([{ variables: { first: 9 }, introspectionIsFree: true }]);
  });

  it('limits are asked again for a document that is known', async () => {
    let isTooMuch = false;
    const check = () => (isTooMuch ? [new GraphQLError('Too much.', { extensions: { code: 'TOO_EXPENSIVE' } })] : []);
    const sample = await startSample({ documentLimits: { maxTokens: 2_000, check } });
    expect(await carry(sample, { query: '{ hello }' })).toMatchObject({ data: {} });
    isTooMuch = true;
    expect(codeOf(await carry(sample, { query: '{ hello }' }))).toBe('TOO_EXPENSIVE');
  });

  it('a bug tells strangers nothing, and the log everything but the variables', async () => {
    const sample = await startSample();
    const query = 'query Look($name: String) { fails hello(name: $name) }';
    const answer = await carry(sample, { query, variables: { name: 'canary-4711' } });
    const requestId = String(answer.errors?.[0]?.extensions?.requestId);
    expect(answer).toMatchObject({ data: { fails: null, hello: 'hello canary-4711' } });
    expect(answer.errors).toMatchObject([
      {
        message: `Something went wrong on our side. The server's log explains it under request id ${requestId}.`,
        path: ['fails'],
      },
    ]);
    expect(JSON.stringify(answer)).not.toContain(secret);
    const line = sample.log.find((entry) => entry.requestId === requestId && entry.level === 50);
    expect(line).toMatchObject({
      operationName: 'Look',
      path: 'fails',
      err: { message: expect.stringContaining(secret) },
    });
    expect(line?.documentHash).toMatch(/^[0-9a-f]{16}$/);
    expect(JSON.stringify(sample.log)).not.toContain('canary-4711');
  });

  it('what a resolver says on purpose is passed on', async () => {
    const sample = await startSample();
    expect(await carry(sample, { query: '{ refuses }' })).toMatchObject({
      errors: [{ message: 'That is not a good idea.', extensions: { code: 'INVALID_INPUT' } }],
    });
  });

  it('a query that takes too long is answered all the same', async () => {
    const sample = await startSample({ deadlineMs: 50 });
    expect(codeOf(await carry(sample, { query: '{ never }' }))).toBe('DEADLINE_EXCEEDED');
  });

  const isForMutations = !door.endsWith('GET');
  if (isForMutations)
    it('a mutation that takes too long too, after three times as long: it may stand in line', async () => {
      const sample = await startSample({ deadlineMs: 50 });
      expect(await carry(sample, { query: 'mutation { stall }' })).toMatchObject({
        errors: [{ message: expect.stringContaining('0.15 s'), extensions: { code: 'DEADLINE_EXCEEDED' } }],
      });
    });

  it('an operator may read the schema and is helped with names; a viewer is not', async () => {
    const introspection = [
      '{ __schema { queryType { name } } }',
      '{ self { ...F } } fragment F on Query { __type(name: "Tick") { name } }',
    ];
    const free = await startSample();
    for (const query of introspection) expect((await carry(free, { query })).errors).toBeUndefined();
    expect((await carry(free, { query: '{ helo }' })).errors?.[0]?.message).toContain('Did you mean "hello"');

    const closed = await startSample({ introspectingRoles: [] });
    for (const query of introspection) expect(codeOf(await carry(closed, { query }))).toBe('FORBIDDEN');
    expect(await carry(closed, { query: '{ __typename }' })).toEqual({ data: { __typename: 'Query' } });
    const query = 'query ($c: Colour!) { colour(is: $c) }';
    for (const answer of [
      await carry(closed, { query: '{ helo }' }),
      await carry(closed, { query, variables: { c: 'REDD' } }),
    ]) {
      expect(answer.errors?.[0]?.message).not.toMatch(/Did you mean|"RED"/);
    }
  });
});

describe.each(doors.filter(([door]) => door !== 'POST' && door !== 'GET'))('by %s', (_, carry) => {
  it('a subscription that fails to open, or while an event is executed, shows nothing of why', async () => {
    const sample = await startSample();
    const asking = carry(sample, { query: 'subscription { ticks(after: "0") { n failing } }' });
    await sample.fountain.untilOpen(1);
    sample.fountain.push();
    for (const answer of [await asking, await carry(sample, { query: 'subscription { cannotOpen { n } }' })]) {
      expect(codeOf(answer)).toBe('INTERNAL_SERVER_ERROR');
      expect(JSON.stringify(answer)).not.toContain(secret);
    }
    expect(sample.log.filter((line) => JSON.stringify(line).includes(secret))).toHaveLength(2);
  });
});
