import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  DriverAdapterError,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import type { ConnectionSettings } from './connection.ts';

/** Prisma's schema engine on one database: what `prisma migrate` runs, without its CLI and its native binary. */
export type OpenSchemaEngine = {
  /** Applies what the database has not applied yet, and names it. */
  readonly applyMigrations: (
    folder: string,
    migrations: readonly { readonly name: string; readonly sql: string }[],
  ) => Promise<readonly string[]>;
  /** The statements from the database's schema to this one; empty when they agree. */
  readonly diffTo: (schema: string) => Promise<string>;
  readonly close: () => Promise<void>;
};

const everything = { externalTables: [], externalEnums: [] };

/** Loads the engine (15 ms) and connects it to the database. */
export async function openSchemaEngine(connection: ConnectionSettings): Promise<OpenSchemaEngine> {
  const { SchemaEngine } = await loadEngine();
  const pool = new pg.Pool({ ...connection, max: 1, application_name: 'penstock-migrate' });
  pool.on('error', () => {});
  const adapter = bindMigrationAwareSqlAdapterFactory(mendedAdapter(pool));
  const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter);
  return {
    applyMigrations: async (folder, migrations) => {
      const migrationsList = migrationList(folder, migrations);
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters: everything });
      return appliedMigrationNames;
    },
    diffTo: async (schema) => {
      const files = [{ path: 'schema.prisma', content: schema }];
      const { stdout } = await engine.diff({
        from: { tag: 'schemaDatasource', files, configDir: '.' },
        to: { tag: 'schemaDatamodel', files },
        script: true,
        exitCode: null,
        filters: everything,
      });
      return stdout ?? '';
    },
    close: async () => {
      engine.free();
      await pool.end();
    },
  };
}

/** Prisma's adapter for pg, mended where it stands in the engine's way. */
function mendedAdapter(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaPg(pool);
  const connect = async () => {
    const adapter = await factory.connect();
    runScriptsWhole(adapter, pool);
    readCharColumns(adapter, pool);
    return adapter;
  };
  return { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect };
}

/**
 * The adapter cuts a script at each semicolon, which breaks function bodies and comments. Postgres reads the script whole;
 * it then also is one transaction, so a migration that fails leaves nothing behind.
 */
function runScriptsWhole(adapter: PrismaPgAdapter, pool: pg.Pool): void {
  const query = pool.query.bind(pool);
  adapter.executeScript = async (script) => {
    try {
      await query(script);
    } catch (error) {
      throw error instanceof pg.DatabaseError ? new DriverAdapterError(describeError(error)) : error;
    }
  };
}

function describeError(error: pg.DatabaseError): ConstructorParameters<typeof DriverAdapterError>[0] {
  return {
    kind: 'postgres',
    code: error.code ?? 'N/A',
    severity: error.severity ?? 'ERROR',
    message: error.message,
    detail: error.detail,
    column: error.column,
    hint: error.hint,
  };
}

/**
 * The adapter refuses Postgres' one-byte type "char", in which the catalogue keeps what kind a constraint is. It gets to
 * see `text` there, and the engine the type that it expects.
 */
function readCharColumns(adapter: PrismaPgAdapter, pool: pg.Pool): void {
  const query = pool.query.bind(pool);
  let charColumns: readonly string[] = [];
  const queryWithoutChar = async (config: pg.QueryArrayConfig) => {
    const result = await query(config);
    const chars = result.fields.filter(({ dataTypeID }) => dataTypeID === pg.types.builtins.CHAR);
    for (const field of chars) field.dataTypeID = pg.types.builtins.TEXT;
    charColumns = chars.map(({ name }) => name);
    return result;
  };
  Object.assign(pool, { query: queryWithoutChar });

  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (request) => {
    const result = await queryRaw(request);
    const isChar = (name: string | undefined) => name !== undefined && charColumns.includes(name);
    const columnTypes = result.columnTypes.map((type, i) =>
      isChar(result.columnNames[i]) ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  };
}

type PrismaPgAdapter = Awaited<ReturnType<PrismaPg['connect']>>;

function migrationList(
  folder: string,
  migrations: readonly { readonly name: string; readonly sql: string }[],
): MigrationList {
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

type EngineModule = { readonly SchemaEngine: typeof SchemaEngine; readonly __wbg_set_wasm: (exports: unknown) => void };

let loaded: Promise<EngineModule> | undefined;

/** Once per process: its JavaScript half holds on to the memory of the first instance. */
function loadEngine(): Promise<EngineModule> {
  loaded ??= instantiateEngine();
  return loaded;
}

/** By hand, because the package's own entry imports its .wasm as a module, which Node 24 does with a warning. */
async function instantiateEngine(): Promise<EngineModule> {
  const source = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const engine: EngineModule & WebAssembly.ModuleImports = await import(source);
  const binary = await readFile(source.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': withoutLingering(engine) });
  engine.__wbg_set_wasm(instance.exports);
  // Where the engine leaves its last words; without it they are lost in a TypeError.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: throwPanic } });
  (instance.exports.__wbindgen_start as () => void)();
  return engine;
}

/** The engine gives itself 10 s to get its lock and never clears that timer, which would keep our process alive for it. */
function withoutLingering(engine: WebAssembly.ModuleImports): WebAssembly.ModuleImports {
  const startTimer = Object.keys(engine).find((name) => name.startsWith('__wbg_setTimeout_'));
  if (startTimer === undefined) return engine;
  return { ...engine, [startTimer]: (done: () => void, ms: number) => setTimeout(done, ms).unref() };
}

function throwPanic(message: string): never {
  throw new Error(`Prisma's schema engine failed: ${message}`);
}
