import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { follow, followEvents, type Message, type Stream } from '../support/stranger.ts';

// The example project in a server process of its own, and clients that know nothing but the API.
const examples = fileURLToPath(new URL('../../examples', import.meta.url));
const folder = writeProject({});
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(examples, `${folder.dir}/data`);
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  folder.remove();
});

const eventFields = `__typename ... on Subscribed { cursor } ... on Lagged { cursor }
  ... on RunEvent { cursor seq at kind pipelineRunId blockRunId blockUuid attempt from to reason { code } }`;
const runEvents = `subscription($filter: RunEventFilter, $after: String) { runEvents(filter: $filter, after: $after) { ${eventFields} } }`;
const changeFields = 'cursor seq at pipelineRunId from to reason { code }';
const blockChanges = `subscription($filter: BlockRunStatusChangeFilter, $after: String) {
  blockRunStatusChanged(filter: $filter, after: $after) {
    __typename ... on Subscribed { cursor } ... on BlockRunStatusChanged { ${changeFields} blockRunId blockUuid attempt } } }`;
const runChanges = `subscription($filter: PipelineRunStatusChangeFilter, $after: String) {
  pipelineRunStatusChanged(filter: $filter, after: $after) {
    __typename ... on Subscribed { cursor } ... on PipelineRunStatusChanged { ${changeFields} } } }`;

type Event = Omit<Message, 'cursor'>;

const started = (stream: Stream) => stream.until('Subscribed', ({ __typename }) => __typename === 'Subscribed');
const ended = (stream: Stream, id: string) =>
  stream.until(
    `the end of ${id}`,
    (message) =>
      message.pipelineRunId === id &&
      message.kind === 'RUN_STATUS_CHANGED' &&
      ['COMPLETED', 'FAILED', 'CANCELLED'].includes(message.to?.toUpperCase() ?? ''),
  );
const messagesOf = (stream: Stream, id: string) => stream.messages.filter((message) => message.pipelineRunId === id);
/** Without cursors: a stream of one run counts by `seq`, one of many by what its place in the log had seen. */
const eventsOf = (stream: Stream, id: string) => messagesOf(stream, id).map(({ cursor: _, ...event }) => event);
const keys = (messages: readonly Event[]) => messages.map(({ seq }) => seq);
const upper = (text: string | null) => text?.toUpperCase() ?? null;

function open(stream: Stream): Stream {
  onTestFinished(stream.close);
  return stream;
}

async function trigger(pipelineUuid: string, variables: Record<string, unknown> = {}): Promise<string> {
  const { triggerPipelineRun: answer } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    `mutation($input: TriggerPipelineRunInput!) { triggerPipelineRun(input: $input) {
       ... on TriggerPipelineRunSuccess { pipelineRun { id } } ... on UserError { message } } }`,
    { input: { pipelineUuid, variables } },
  );
  return answer.pipelineRun.id;
}

type Statuses = { readonly run: string; readonly blocks: Readonly<Record<string, string>> };

async function statusesOf(id: string): Promise<Statuses & { readonly cursor: string }> {
  const { eventCursor, pipelineRun } = await server.query<{
    eventCursor: string;
    pipelineRun: { status: string; blockRuns: { nodes: { blockUuid: string; status: string }[] } };
  }>('query($id: ID!) { eventCursor pipelineRun(id: $id) { status blockRuns { nodes { blockUuid status } } } }', {
    id,
  });
  const { status, blockRuns } = pipelineRun;
  return {
    cursor: eventCursor,
    run: status,
    blocks: Object.fromEntries(blockRuns.nodes.map((block) => [block.blockUuid, block.status])),
  };
}

/** A state, and what happened since. */
function fold(before: Statuses, messages: readonly Event[]): Statuses {
  let { run, blocks } = before;
  for (const { blockUuid, to } of messages) {
    if (to === null || to === undefined) continue;
    if (blockUuid) blocks = { ...blocks, [blockUuid]: to.toUpperCase() };
    else run = to.toUpperCase();
  }
  return { run, blocks };
}

const allBlocks = (status: string) => ({
  load_generation: status,
  renewable_share: status,
  growth_by_source: status,
  join_energy: status,
});
const untouched: Statuses = { run: 'INITIAL', blocks: allBlocks('INITIAL') };
const completed: Statuses = { run: 'COMPLETED', blocks: allBlocks('COMPLETED') };

test('a run of two languages is followed from before it exists to its end, every transition once and in order', {
  timeout: 60_000,
}, async () => {
  const pipeline = { filter: { pipelineUuid: { eq: 'iowa_energy' } } };
  const all = open(follow(server, runEvents, pipeline));
  const blocks = open(follow(server, blockChanges, pipeline));
  const runs = open(follow(server, runChanges, pipeline));
  const sse = open(followEvents(server, runEvents, pipeline)) as ReturnType<typeof followEvents>;
  const [{ cursor: before }] = (await Promise.all([all, blocks, runs, sse].map(started))) as [Message, ...Message[]];
  const id = await trigger('iowa_energy');
  const answeredAt = Date.now();
  const run = { filter: { pipelineRunId: { eq: id } } };
  const own = open(follow(server, runEvents, { ...run, after: before }));
  await Promise.all([ended(all, id), ended(own, id), ended(sse, id)]);

  const events = eventsOf(all, id);
  expect(keys(events)).toEqual(events.map((_, place) => place + 1));
  expect(events[0]!.kind).toBe('RUN_CREATED');
  expect(eventsOf(own, id)).toEqual(events);
  expect(own.messages.filter(({ __typename }) => __typename !== 'RunEvent')).toHaveLength(1);
  expect(fold(untouched, events)).toEqual(completed);
  expect(await statusesOf(id)).toMatchObject(completed);
  for (const blockUuid of Object.keys(untouched.blocks)) {
    const path = events.filter((event) => event.blockUuid === blockUuid && event.to).map(({ to }) => upper(to));
    expect(path, blockUuid).toEqual(['QUEUED', 'RUNNING', 'COMPLETED']);
  }

  // The narrower streams brought just their share of it, at the same places.
  await blocks.until(
    'the last block',
    (m) => m.pipelineRunId === id && m.blockUuid === 'join_energy' && m.to === 'COMPLETED',
  );
  await runs.until('the end', (m) => m.pipelineRunId === id && m.to === 'COMPLETED');
  const ofKind = (kind: string) => events.filter((event) => event.kind === kind);
  const place = ({ seq, blockRunId = null, to }: Event) => ({ seq, blockRunId, to: upper(to) });
  expect(eventsOf(blocks, id).map(place)).toEqual(ofKind('BLOCK_STATUS_CHANGED').map(place));
  expect(eventsOf(runs, id).map(place)).toEqual([
    { seq: 1, blockRunId: null, to: 'INITIAL' },
    ...ofKind('RUN_STATUS_CHANGED').map(place),
  ]);

  // Server-sent events say the same, with the cursor as `id:`.
  expect(eventsOf(sse, id)).toEqual(events);
  expect(sse.ids).toEqual(sse.messages.map(({ cursor }) => cursor));
  const { seq, cursor: middle } = messagesOf(all, id)[Math.floor(events.length / 2)]!;
  const { cursor: ownMiddle } = messagesOf(own, id)[seq - 1]!;
  const rest = events.slice(seq);
  const resumed = [
    open(follow(server, runEvents, { ...run, after: middle })),
    open(follow(server, runEvents, { ...run, after: ownMiddle })),
    open(follow(server, runEvents, { ...pipeline, after: middle })),
    open(followEvents(server, runEvents, run, ownMiddle)),
    open(followEvents(server, runEvents, { ...run, after: before }, middle)),
  ];
  for (const stream of resumed) {
    await ended(stream, id);
    expect(eventsOf(stream, id)).toEqual(rest);
  }

  const { pipelineRun } = await server.query<{ pipelineRun: { logs: { nodes: { at: string; message: string }[] } } }>(
    'query($id: ID!) { pipelineRun(id: $id) { logs(first: 1) { nodes { at message } } } }',
    { id },
  );
  const first = events.find((event) => upper(event.to) === 'RUNNING' && event.blockUuid)!;
  process.stdout.write(
    `answer of triggerPipelineRun → first block running ${Date.parse(first.at) - answeredAt} ms, ` +
      `→ first line printed ${Date.parse(pipelineRun.logs.nodes[0]!.at) - answeredAt} ms\n`,
  );
});

test('whoever queries and then subscribes with the cursor of the query has no gap, wherever the run stands', {
  timeout: 60_000,
}, async () => {
  // A run may be over before anybody has asked: then the next one is watched.
  let { id, queries, followers } = await arriveAtEachTransition();
  for (let tries = 1; tries < 20 && queries.length < 2; tries++) {
    ({ id, queries, followers } = await arriveAtEachTransition());
  }
  expect(queries.length).toBeGreaterThan(1);

  for (const [arrival, query] of queries.entries()) {
    const [events, blocks, runs] = followers.slice(arrival * 3) as [Stream, Stream, Stream];
    await started(events);
    if (query.run === 'COMPLETED') continue;
    await ended(events, id);
    await runs.until('its end', ({ to }) => to === 'COMPLETED');
    if (query.blocks.join_energy !== 'COMPLETED')
      await blocks.until('the last block', (m) => m.blockUuid === 'join_energy' && m.to === 'COMPLETED');
    expect(fold(query, eventsOf(events, id)), `arrival ${arrival}`).toEqual(completed);
    expect(fold(fold(query, eventsOf(blocks, id)), eventsOf(runs, id)), `arrival ${arrival}`).toEqual(completed);
  }
});

/** Triggers a run; whenever it is seen in a state not seen before, somebody new arrives and follows it from there. */
async function arriveAtEachTransition() {
  const id = await trigger('iowa_energy');
  const filter = { pipelineRunId: { eq: id } };
  const queries: Statuses[] = [];
  const followers: Stream[] = [];
  for (let known = ''; queries.at(-1)?.run !== 'COMPLETED'; ) {
    const { cursor, ...seen } = await statusesOf(id);
    if (JSON.stringify(seen) === known) continue;
    known = JSON.stringify(seen);
    queries.push(seen);
    for (const document of [runEvents, blockChanges, runChanges])
      followers.push(open(follow(server, document, { filter, after: cursor })));
  }
  return { id, queries, followers };
}

const everything = `query($id: ID!) { pipelineRun(id: $id) {
  status isTerminal attempt durationMs completedAt statusReason { code message } resourceUsage { cpuTimeMs maxRssBytes wallTimeMs }
  logs(first: 100) { isComplete droppedLines nodes { blockUuid level stream message attempt } }
  attempts { number status statusReason { code } }
  blockRuns { nodes { blockUuid status attempt error { type message } tests { name passed }
    resourceUsage { cpuTimeMs maxRssBytes wallTimeMs }
    outputs(sampleCount: 3) { name kind rowCount columnCount columns { name } rows value text truncated sizeBytes }
    logs(first: 100) { isComplete nodes { level stream message attempt } }
    attempts { number runAttempt status pid statusReason { code } error { type message stackTrace } resourceUsage { cpuTimeMs }
      logs(first: 50) { nodes { message } } } } } } }`;

type Everything = {
  readonly pipelineRun: {
    readonly status: string;
    readonly attempt: number;
    readonly statusReason: { readonly code: string };
    readonly resourceUsage: { readonly cpuTimeMs: number; readonly maxRssBytes: number; readonly wallTimeMs: number };
    readonly logs: { readonly isComplete: boolean; readonly nodes: readonly Line[] };
    readonly attempts: readonly { readonly number: number; readonly status: string }[];
    readonly blockRuns: { readonly nodes: readonly Block[] };
  };
};
type Line = { readonly blockUuid: string; readonly level: string; readonly stream: string; readonly message: string };
type Block = {
  readonly blockUuid: string;
  readonly status: string;
  readonly tests: readonly { readonly name: string; readonly passed: boolean }[];
  readonly outputs: readonly Record<string, unknown>[];
  readonly logs: { readonly isComplete: boolean; readonly nodes: readonly Line[] };
  readonly resourceUsage: { readonly cpuTimeMs: number; readonly maxRssBytes: number };
  readonly attempts: readonly {
    readonly number: number;
    readonly runAttempt: number;
    readonly status: string;
    readonly statusReason: { readonly code: string };
    readonly error: { readonly type: string; readonly message: string; readonly stackTrace: string } | null;
    readonly logs: { readonly nodes: readonly { readonly message: string }[] };
  }[];
};

test('the moment a run is seen to be completed, its lines, outputs, tests and costs are all there', {
  timeout: 60_000,
}, async () => {
  const runs = open(follow(server, runChanges, { filter: { pipelineUuid: { eq: 'iowa_energy' } } }));
  await started(runs);
  const id = await trigger('iowa_energy');
  await runs.until('its end', (m) => m.pipelineRunId === id && m.to === 'COMPLETED');
  const { pipelineRun: run } = await server.query<Everything>(everything, { id });

  expect(run).toMatchObject({ status: 'COMPLETED', isTerminal: true, attempt: 1, statusReason: { code: 'SUCCEEDED' } });
  expect(run.attempts).toMatchObject([{ number: 1, status: 'COMPLETED' }]);
  expect(run.logs).toMatchObject({
    isComplete: true,
    droppedLines: 0,
    nodes: expect.arrayContaining([
      expect.objectContaining({
        blockUuid: 'renewable_share',
        stream: 'STDOUT',
        level: 'INFO',
        message: expect.stringMatching(/^Renewables in the last year: [\d.]+ %$/),
      }),
      expect.objectContaining({
        blockUuid: 'join_energy',
        stream: 'LOGGER',
        level: 'INFO',
        message: expect.stringMatching(/grew most/),
      }),
    ]),
  });
  expect(run.resourceUsage.cpuTimeMs).toBeGreaterThan(0);
  expect(run.resourceUsage.maxRssBytes).toBeGreaterThan(1_000_000);

  const block = Object.fromEntries(run.blockRuns.nodes.map((one) => [one.blockUuid, one]));
  for (const one of run.blockRuns.nodes) {
    expect(one.logs.isComplete, one.blockUuid).toBe(true);
    expect(one.resourceUsage.maxRssBytes, one.blockUuid).toBeGreaterThan(1_000_000);
    expect(one.attempts, one.blockUuid).toMatchObject([
      { number: 1, runAttempt: 1, status: 'COMPLETED', statusReason: { code: 'SUCCEEDED' }, error: null },
    ]);
  }
  expect(block.load_generation!.outputs).toMatchObject([
    {
      name: 'output_0',
      kind: 'TABLE',
      rowCount: 51,
      columnCount: 3,
      columns: [{ name: 'year' }, { name: 'source' }, { name: 'generation' }],
      rows: [[2001, 'Fossil Fuels', 35361], expect.anything(), expect.anything()],
      truncated: true,
    },
  ]);
  expect(block.join_energy!.outputs).toMatchObject([
    { kind: 'JSON', value: { milestone_percent: 25, fastest_source: 'Renewables' } },
  ]);
  expect(block.renewable_share!.tests).toEqual([{ name: 'test_shares_are_percentages', passed: true }]);
  expect(block.growth_by_source!.tests).toEqual([{ name: 'allThreeSources', passed: true }]);
});

test('a failed run is retried where it stopped, with another value, and shows what went wrong before', {
  timeout: 60_000,
}, async () => {
  const runs = open(follow(server, runChanges, { filter: { pipelineUuid: { eq: 'flaky_delivery' } } }));
  await started(runs);
  const id = await trigger('flaky_delivery', { fail: true });
  await runs.until('its failure', (m) => m.pipelineRunId === id && m.to === 'FAILED');
  expect(await statusesOf(id)).toMatchObject({
    run: 'FAILED',
    blocks: {
      load_temperatures: 'COMPLETED',
      write_digest: 'COMPLETED',
      deliver_digest: 'FAILED',
      confirm_delivery: 'UPSTREAM_FAILED',
    },
  });
  const { retryPipelineRuns } = await server.query<{ retryPipelineRuns: unknown }>(
    `mutation($input: RetryPipelineRunsInput!) { retryPipelineRuns(input: $input) {
       error { message } results { error { message } pipelineRun { id attempt } } } }`,
    { input: { selection: { ids: [id] }, mode: 'INCOMPLETE', variables: { fail: false } } },
  );
  expect(retryPipelineRuns).toEqual({ error: null, results: [{ error: null, pipelineRun: { id, attempt: 2 } }] });
  await runs.until('its second end', (m) => m.pipelineRunId === id && m.to === 'COMPLETED');

  const { pipelineRun: run } = await server.query<Everything>(everything, { id });
  expect(run.attempts).toMatchObject([
    { number: 1, status: 'FAILED', statusReason: { code: 'BLOCK_FAILED' } },
    { number: 2, status: 'COMPLETED', statusReason: { code: 'SUCCEEDED' } },
  ]);
  const [load, , deliver, confirm] = run.blockRuns.nodes as [Block, Block, Block, Block];
  expect(load.attempts).toHaveLength(1);
  expect(confirm.attempts).toMatchObject([{ number: 1, runAttempt: 2, status: 'COMPLETED' }]);
  const failure = {
    status: 'FAILED',
    statusReason: { code: 'BLOCK_ERROR' },
    error: {
      type: 'ConnectionError',
      message: expect.stringContaining('the mail server does not answer'),
      stackTrace: expect.stringContaining('deliver_digest.py'),
    },
  };
  expect(deliver.attempts).toMatchObject([
    { number: 1, runAttempt: 1, ...failure },
    { number: 2, runAttempt: 1, ...failure },
    { number: 3, runAttempt: 2, status: 'COMPLETED', error: null },
  ]);
  for (const [place, tried] of [1, 2, 1].entries()) {
    expect(deliver.attempts[place]!.logs.nodes.map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringMatching(new RegExp(`^Delivering, attempt ${tried}: The warmest`))]),
    );
  }
});
