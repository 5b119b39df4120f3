import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate, prepareDatabase } from '../../src/store/migrate.ts';
import { hasSqlFunctions, readSqlFunctions } from '../../src/store/sql-functions.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { migrationStatus, schemaDrift } from '../support/schema-engine.ts';

let database: TestDatabase;
afterEach(() => database.drop());

describe('our own migrations', () => {
  beforeEach(async () => {
    database = await createTestDatabase();
  });

  test('make exactly the tables that prisma/schema.prisma describes', async () => {
    expect(await schemaDrift(database.connection)).toBe('');
  });

  test('a table that the schema does not know is noticed', async () => {
    await ask('create table forgotten (id int primary key)');
    expect(await schemaDrift(database.connection)).toContain('DROP TABLE "forgotten"');
  });

  test("are remembered in a way that Prisma's own tools understand", async () => {
    expect(await migrationStatus(database.connection)).toEqual({
      hasMigrationsTable: true,
      history: null,
      editedMigrationNames: [],
      failedMigrationNames: [],
    });
  });
});

describe('a folder of migrations', () => {
  let folder: string;
  beforeEach(async () => {
    database = await createEmptyDatabase();
    folder = mkdtempSync(join(tmpdir(), 'penstock-migrations-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('is applied in the order of its names, and each part of it once', async () => {
    write('0002_second', 'alter table t add column b int;');
    write('0001_first', 'create table t (a int);');
    expect(await migrateFolder()).toEqual(['0001_first', '0002_second']);
    expect(await migrateFolder()).toEqual([]);
    write('0003_third', 'alter table t add column c int;');
    expect(await migrateFolder()).toEqual(['0003_third']);
    expect(await ask(`select column_name from information_schema.columns where table_name = 't' order by 1`)).toEqual([
      { column_name: 'a' },
      { column_name: 'b' },
      { column_name: 'c' },
    ]);
  });

  test('may hold functions, with semicolons and quotes in their bodies', async () => {
    write(
      '0001_function',
      `create function f() returns text language plpgsql as $$ -- it's; here
       declare s text := 'a;b'; begin return s; end $$;
       select f(); -- the end`,
    );
    await migrateFolder();
    expect(await ask('select f()')).toEqual([{ f: 'a;b' }]);
  });

  test('is applied once when five servers start at once', async () => {
    write('0001_first', 'create table t (a int); select pg_sleep(0.05);');
    const applied = await Promise.all([1, 2, 3, 4, 5].map(migrateFolder));
    expect(applied.flat()).toEqual(['0001_first']);
  });

  test('that fails leaves nothing behind, says why, and can be mended', async () => {
    write('0001_first', 'create table t (a int);');
    write('0002_broken', 'create table u (a int); select no_such_column from t;');
    await expect(migrateFolder()).rejects.toMatchObject({
      name: 'MigrationError',
      problem: 'failed',
      migration: '0002_broken',
      message: expect.stringContaining('column "no_such_column" does not exist'),
    });
    expect(await ask(`select to_regclass('t')::text as t, to_regclass('u')::text as u`)).toEqual([{ t: 't', u: null }]);
    write('0002_broken', 'create table u (a int);');
    expect(await migrateFolder()).toEqual(['0002_broken']);
  });

  test('is refused when a part of it was edited after it had been applied', async () => {
    write('0001_first', 'create table t (a int);');
    await migrateFolder();
    write('0001_first', 'create table t (a int, b int);');
    await expect(migrateFolder()).rejects.toMatchObject({
      problem: 'edited_after_applying',
      message: expect.stringContaining('0001_first'),
    });
  });

  test('is refused by a database that a newer version has migrated', async () => {
    write('0001_first', 'create table t (a int);');
    write('0002_second', 'create table u (a int);');
    await migrateFolder();
    rmSync(join(folder, '0002_second'), { recursive: true });
    await expect(migrateFolder()).rejects.toMatchObject({
      problem: 'database_is_newer',
      message: expect.stringContaining('newer version'),
    });
  });

  test("leaves another program's database alone, which Prisma has migrated as well", async () => {
    write('0001_their_shop', 'create table orders (a int);');
    await migrateFolder();
    await expect(migrate(database.connection)).rejects.toMatchObject({
      problem: 'another_program',
      message: expect.stringContaining('0001_their_shop'),
    });
    expect(await ask('select migration_name from _prisma_migrations')).toHaveLength(1);
  });

  test("is left alone while a migration of Prisma's command line has not ended", async () => {
    write('0001_first', 'create table t (a int);');
    await migrateFolder();
    await ask('update _prisma_migrations set finished_at = null');
    await expect(migrateFolder()).rejects.toMatchObject({ problem: 'left_unfinished' });
  });

  async function migrateFolder(): Promise<readonly string[]> {
    return (await migrate(database.connection, folder)).applied;
  }

  function write(name: string, sql: string): void {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'migration.sql'), sql);
  }
});

async function ask(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(database.connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('the functions', () => {
  beforeEach(async () => {
    database = await createTestDatabase();
  });

  test('that a newer program has are replaced when this one starts, whatever their arguments', async () => {
    await ask(`create function step(text) returns text language sql as 'select $1'`);
    await ask('delete from sql_functions');
    await prepareDatabase(database.connection);
    expect(await ask(`select pronargs from pg_proc where proname = 'step'`)).toEqual([{ pronargs: 13 }]);
    const client = new pg.Client(database.connection);
    await client.connect();
    expect(await hasSqlFunctions(client, readSqlFunctions())).toBe(true);
    await client.end();
  });
});
