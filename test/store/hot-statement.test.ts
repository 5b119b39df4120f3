import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHotStatement } from '../../src/store/hot-statement.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

const divide = { name: 'divide', text: 'select $1::int / $2::int, $3::text' };

test('a hot statement answers with the text of each column, the first time and the second', async () => {
  const client = await engine.database.connect('hot');
  expect(await runHotStatement(client, divide, ['6', '2', 'ä'])).toEqual([['3', 'ä']]);
  expect(await runHotStatement(client, divide, ['8', '2', null])).toEqual([['4', null]]);
  expect(await runHotStatement(client, { name: 'none', text: 'select 1 where false' }, [])).toEqual([]);
  await client.end();
});

test('after an error the connection is as good as before, and ordinary queries go beside', async () => {
  const client = await engine.database.connect('hot');
  await expect(runHotStatement(client, divide, ['1', '0', null])).rejects.toMatchObject({ code: '22012' });
  const [hot, ordinary] = await Promise.all([
    runHotStatement(client, divide, ['9', '3', null]),
    client.query('select 1 as one'),
  ]);
  expect([hot, ordinary.rows]).toEqual([[['3', null]], [{ one: 1 }]]);
  // A statement that could not even be parsed is parsed anew.
  const missing = { name: 'missing', text: 'select * from not_yet' };
  await expect(runHotStatement(client, missing, [])).rejects.toMatchObject({ code: '42P01' });
  await client.query('create temp table not_yet (n int); insert into not_yet values (7)');
  expect(await runHotStatement(client, missing, [])).toEqual([['7']]);
  await client.end();
});

test('rows are known before the commit, and not to be relied on: a commit that fails rejects', async () => {
  const client = await engine.database.connect('hot');
  await client.query(`
    create temp table noted (n int);
    create function pg_temp.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
    create constraint trigger refuse after insert on noted deferrable initially deferred for each row when (new.n < 0) execute function pg_temp.refuse()`);
  const note = { name: 'note', text: 'insert into noted values ($1::int) returning n' };
  const early: unknown[] = [];
  expect(await runHotStatement(client, note, ['1'], (row) => early.push(row))).toEqual([['1']]);
  await expect(runHotStatement(client, note, ['-1'], (row) => early.push(row))).rejects.toThrow('no');
  expect(early).toEqual([['1'], ['-1']]);
  expect((await client.query('select n from noted')).rows).toEqual([{ n: 1 }]);
  await client.end();
});

test('when the session dies under it, it rejects', async () => {
  const client = await engine.database.connect('hot');
  const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid;
  const slept = runHotStatement(client, { name: 'sleep', text: 'select pg_sleep(60)' }, []);
  const outcome = expect(slept).rejects.toThrow();
  // The session answers nothing while it sleeps: it is ended whether it has begun to or not.
  await engine.database.pool.query('select pg_terminate_backend($1)', [pid]);
  await outcome;
});
