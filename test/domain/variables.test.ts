import { describe, expect, test } from 'vitest';
import {
  isSecretName,
  mask,
  maskVariables,
  overlaid,
  resolveVariables,
  secretValues,
  withoutMasks,
} from '../../src/domain/variables.ts';

describe('secrets', () => {
  test('a mask on top of a secret, at any depth, leaves it as it was', () => {
    const below = { password: 'old', db: { token: 'kept', port: 1, gone: true }, list: [{ api_key: 'first' }], a: 1 };
    const top = {
      password: mask,
      db: { token: mask, port: 2 },
      list: [{ api_key: mask }, { api_key: mask, b: 1 }],
      note: mask,
    };
    expect(overlaid(below, top)).toEqual({
      password: 'old',
      db: { token: 'kept', port: 2 },
      list: [{ api_key: 'first' }, { b: 1 }],
      note: mask,
      a: 1,
    });
    expect(overlaid({}, { password: mask, conf: { secret: mask } })).toEqual({ conf: {} });
  });

  test('their values are found at any depth, the longest first, line by line; not what is too short to be told from ordinary text', () => {
    const variables = {
      user: 'not me',
      DB_PASSWORD: 'hunter22',
      pin_secret: 123456,
      short_secret: 'abc',
      list: [{ api_key: 'key-1-and-more' }, 'plain'],
      token: { a: 'deep one', b: ['deeper one', true] },
      private_key: '-----BEGIN\n  line one\nend',
    };
    expect(secretValues(variables)).toEqual([
      '-----BEGIN\n  line one\nend',
      'key-1-and-more',
      'deeper one',
      '-----BEGIN',
      'hunter22',
      'deep one',
      'line one',
      '123456',
    ]);
  });

  test.each(['password', 'DB_PASSWORD', 'apiToken', 'slack-token', 'aws_access_key', 'AWS_PRIVATE_KEY_2', 'secret'])(
    '%s is one',
    (name) => {
      expect(isSecretName(name)).toBe(true);
    },
  );
  test.each(['tokenizer', 'passwords_seen_per_day'.replace('passwords', 'pass'), 'secretary', 'key', 'user'])(
    '%s is none',
    (name) => {
      expect(isSecretName(name)).toBe(false);
    },
  );

  test('are masked at any depth', () => {
    expect(maskVariables({ a: 1, db: { password: 'x', hosts: [{ token: 'y', port: 1 }] } })).toEqual({
      a: 1,
      db: { password: mask, hosts: [{ token: mask, port: 1 }] },
    });
  });

  test('a value that equals its mask means unchanged', () => {
    expect(withoutMasks({ password: mask, note: mask })).toEqual({ note: mask });
  });
});

describe('what the blocks of a run receive', () => {
  const given = {
    pipeline: { a: 'pipeline', b: 'pipeline', c: 'pipeline' },
    trigger: { b: 'trigger', c: 'trigger' },
    run: { c: 'run' },
    event: null,
    env: 'prod',
    executionDate: new Date('2026-11-22T14:01:34.945Z'),
    timezone: 'UTC',
    interval: null,
    triggerId: 26n,
    triggerName: 't',
  } as const;

  test('a run overrides its trigger, a trigger its pipeline', () => {
    expect(resolveVariables(given)).toMatchObject({ a: 'pipeline', b: 'trigger', c: 'run' });
  });

  test('a mask means unchanged, also when a run is started', () => {
    const secret = {
      ...given,
      pipeline: { db_password: 'of the pipeline' },
      trigger: { db_password: mask },
      run: { db_password: mask },
    };
    expect(resolveVariables(secret).db_password).toBe('of the pipeline');
  });

  test('the logical date comes in its forms', () => {
    expect(resolveVariables(given)).toMatchObject({
      ds: '2026-11-22',
      hr: '14',
      execution_date: '2026-11-22T14:01:34.945Z',
      execution_partition: '26/20261122T140134_945000',
      trigger_name: 't',
      event: {},
    });
    expect(resolveVariables({ ...given, timezone: 'Asia/Tokyo' })).toMatchObject({ ds: '2026-11-22', hr: '23' });
  });

  test('env is prod unless given', () => {
    expect(resolveVariables(given).env).toBe('prod');
    expect(resolveVariables({ ...given, run: { env: 'dev' } }).env).toBe('dev');
  });

  test('event variables stand where no other has the name', () => {
    expect(resolveVariables({ ...given, event: { a: 'event', z: 'event' } })).toMatchObject({
      a: 'pipeline',
      z: 'event',
    });
  });
});
