import { expect, test } from 'vitest';
import { code, readDaily, told } from './support/project-folder.ts';

const metadata = 'variables: {schema: sales}\nblocks: [{uuid: a, type: custom}]\n';

function readTriggers(triggers: string, env: Readonly<Record<string, string>> = {}) {
  return readDaily(metadata, { 'custom/a.py': code, 'pipelines/daily/triggers.yaml': triggers }, env);
}

test('a trigger is read with all its settings', async () => {
  const daily = await readTriggers(`triggers:
- name: every hour
  description: keeps it fresh
  schedule_type: time
  schedule_interval: '@hourly'
  start_time: 2024-05-01 09:30:00
  timezone: Europe/Berlin
  status: active
  last_enabled_at: 2024-05-01 00:00:00
  variables: {schema: public}
  sla: 3600
  token: abc
  settings: {timeout: '1800', timeout_status: cancelled, allow_blocks_to_fail: true, overlap: queue, catch_up: all,
    create_initial_pipeline_run: true, landing_time_enabled: true, pipeline_run_limit: 0}
- name: from outside
  schedule_type: api
  status: active
  settings: {skip_if_previous_running: true, timeout: 0}
- {name: plain, schedule_interval: '*/5 * * * *'}
`);
  expect(daily.triggers.map((trigger) => trigger.problems)).toEqual([[], [], []]);
  const [hourly, outside, plain] = daily.triggers.map((trigger) => trigger.definition);
  expect(hourly).toEqual({
    pipelineUuid: 'daily',
    name: 'every hour',
    description: 'keeps it fresh',
    type: 'time',
    status: 'active',
    scheduleInterval: '@hourly',
    timezone: 'Europe/Berlin',
    startTime: new Date('2024-05-01T07:30:00Z'),
    variables: { schema: 'public' },
    token: 'abc',
    settings: {
      timeoutSeconds: 1800,
      timeoutStatus: 'cancelled',
      slaSeconds: 3600,
      allowBlocksToFail: true,
      overlap: 'queue',
      catchUp: 'all',
      createInitialPipelineRun: true,
      landingTimeEnabled: true,
      pipelineRunLimit: 0,
    },
  });
  expect(outside).toMatchObject({
    type: 'api',
    scheduleInterval: null,
    startTime: null,
    settings: { overlap: 'skip', timeoutSeconds: null, catchUp: 'latest', timeoutStatus: 'failed', slaSeconds: null },
  });
  expect(plain).toMatchObject({ type: 'time', status: 'inactive', timezone: 'UTC', scheduleInterval: '*/5 * * * *' });
});

test.for([
  ['a bad cron', "schedule_interval: '61 * * * *'", /"61 \* \* \* \*" is not a schedule/],
  ['an unheard-of interval', "schedule_interval: '@yearly'", /"@yearly" is not a schedule\. Use @once/],
  ['a cron of seven fields', "schedule_interval: '0 0 0 1 1 * 2030'", /is not a schedule/],
  ['no interval', 'schedule_type: time', /has no schedule_interval/],
  ['a bad time zone', "schedule_interval: '@daily'\n  timezone: Mars/Olympus", /"Mars\/Olympus" is not a time zone/],
  ['a bad start', "schedule_interval: '@daily'\n  start_time: tomorrow", /"tomorrow" is not a time/],
  ['a day that never was', "schedule_interval: '@daily'\n  start_time: 2023-02-29 00:00:00", /is not a time/],
  [
    'a bad overlap',
    "schedule_interval: '@daily'\n  settings: {overlap: maybe}",
    /one of allow, skip, queue, cancel_running/,
  ],
  [
    'a bad timeout',
    "schedule_interval: '@daily'\n  settings: {timeout: soon}",
    /"timeout" is "soon"; it must be a number/,
  ],
  ['a bad status', "schedule_interval: '@daily'\n  status: on", /one of active, inactive/],
  ['a bad type', "schedule_interval: '@daily'\n  schedule_type: moon", /one of time, api, event/],
  ['too many variables', `schedule_interval: '@daily'\n  variables: {a: ${'x'.repeat(70_000)}}`, /65536 are allowed/],
] as const)('%s is a visible problem of that trigger and stops nothing else', async ([, lines, reason]) => {
  const daily = await readTriggers(`triggers:
- name: bad
  ${lines}
- name: good
  schedule_interval: '@daily'
`);
  expect(daily).toMatchObject({ isRunnable: true, areTriggersReadable: true });
  const [bad, good] = daily.triggers;
  expect(told(bad?.problems ?? [])).toEqual([expect.stringMatching(reason)]);
  expect(bad?.problems[0]).toMatchObject({ severity: 'error', file: 'pipelines/daily/triggers.yaml' });
  expect(bad?.problems[0]?.line).toBeGreaterThanOrEqual(2);
  expect(daily.problems).toEqual([
    {
      ...bad!.problems[0],
      severity: 'warning',
      message: `${bad!.problems[0]!.message} Until then the trigger "bad" does not fire.`,
    },
  ]);
  expect(good).toMatchObject({ problems: [], definition: { name: 'good', scheduleInterval: '@daily' } });
});

test('a cron of six fields is taken with the seconds first, and the difference to Mage is told', async () => {
  const daily = await readTriggers("triggers:\n- {name: t, schedule_interval: '0 */5 * * * *'}\n");
  expect(daily.triggers[0]?.definition.scheduleInterval).toBe('0 */5 * * * *');
  expect(told(daily.triggers[0]?.problems ?? [])).toEqual([
    expect.stringMatching(/^warning .*:2 .*six fields: the first is read as seconds, whereas Mage reads the last/),
  ]);
});

test('a trigger meant for other environments is left out', async () => {
  const file = `triggers:
- {name: everywhere, schedule_interval: '@daily'}
- {name: only prod, schedule_interval: '@daily', envs: [prod]}
- {name: only dev, schedule_interval: '@daily', envs: [dev, test]}
- {name: said empty, schedule_interval: '@daily', envs: []}
`;
  const names = async (env: Readonly<Record<string, string>>) =>
    (await readTriggers(file, env)).triggers.map((trigger) => trigger.definition.name);
  expect(await names({})).toEqual(['everywhere', 'only prod', 'said empty']);
  expect(await names({ ENV: 'dev' })).toEqual(['everywhere', 'only dev', 'said empty']);
});

test('of two triggers with one name the first counts; one without a name is left out', async () => {
  const daily = await readTriggers(`triggers:
- {name: t, schedule_interval: '@daily'}
- {name: t, schedule_interval: '@hourly'}
- {schedule_interval: '@hourly'}
`);
  expect(daily.triggers.map((trigger) => trigger.definition.scheduleInterval)).toEqual(['@daily']);
  expect(daily.isRunnable).toBe(true);
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(/^warning .*triggers.yaml:3 The name "t" is already taken by the trigger on line 2/),
    expect.stringMatching(/^warning .*triggers.yaml:4 This trigger has no name/),
  ]);
});

test.for(['', '# none\n', 'triggers: []', 'triggers:\n', '---\n'])(
  'a file %j has no triggers, and nothing is wrong',
  async (text) => {
    expect(await readTriggers(text)).toMatchObject({ triggers: [], areTriggersReadable: true, problems: [] });
  },
);

test('a triggers file that can not be read leaves the pipeline runnable and the triggers known so far alone', async () => {
  const daily = await readTriggers('triggers:\n- name: "t\n');
  expect(daily).toMatchObject({ isRunnable: true, areTriggersReadable: false, triggers: [] });
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(
      /^warning pipelines\/daily\/triggers.yaml:\d It is not valid yaml.*its triggers stay as they were/,
    ),
  ]);
});

test('templates are filled in from the environment and the pipeline', async () => {
  const daily = await readTriggers(
    `triggers:
# {{ env_var('COMMENTED_OUT') }} {{ nonsense( }}
- name: "{{ env_var('NAME') }}"
  schedule_interval: '@daily'
  status: {{ env_var('STATUS', 'active') }}
  token: "{{ mage_secret_var('TOKEN') }}"
  variables: {schema: "{{ variables('schema') }}"}
`,
    { NAME: 'nightly', TOKEN: 's3cret' },
  );
  expect(told(daily.problems)).toEqual([]);
  expect(daily.triggers[0]).toMatchObject({
    problems: [],
    definition: { name: 'nightly', status: 'active', token: 's3cret', variables: { schema: 'sales' } },
  });
});

test('a name that a template does not know costs a warning and not the file', async () => {
  const daily = await readTriggers(`triggers:
- name: t
  schedule_interval: '@daily'
  token: "{{ mage_secret_var('TOKEN') }}"
  variables:
    a: "{{ env_var('NOWHERE') }}"
    b: "{{ variables('nothing') }}"
    c: "{{ azure_secret_var('x') }}{{ colour }}"
`);
  expect(daily.triggers[0]?.definition).toMatchObject({ token: '', variables: { a: '', b: '', c: '' } });
  expect(told(daily.problems).map((line) => line.replace('warning pipelines/daily/triggers.yaml:', ''))).toEqual([
    expect.stringMatching(/^4 There is no secret TOKEN/),
    expect.stringMatching(/^6 The environment variable NOWHERE is not set/),
    expect.stringMatching(/^7 There is no variable nothing/),
    expect.stringMatching(/^8 "azure_secret_var" is not known/),
    expect.stringMatching(/^8 "colour" is not known/),
  ]);
});

test('a template that is none stays as it is', async () => {
  const daily = await readTriggers(`triggers:
- {name: t, schedule_interval: '@daily', variables: {a: "{{ what is this"}}
`);
  expect(daily.triggers[0]?.definition.variables).toEqual({ a: '{{ what is this' });
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(/^warning .*could not be filled in and stay as they are/),
  ]);
});
