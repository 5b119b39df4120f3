import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { DiagnoseMigrationHistoryOutput, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import type { ConnectionSettings } from '../../src/store/connection.ts';

const prismaFolder = join(import.meta.dirname, '../../prisma');
const filters = { externalTables: [], externalEnums: [] };

/** The statements that would bring the database to prisma/schema.prisma, as Prisma sees it; empty when the two agree. */
export async function schemaDrift(connection: ConnectionSettings): Promise<string> {
  const schema = { path: 'schema.prisma', content: readFileSync(join(prismaFolder, 'schema.prisma'), 'utf8') };
  const { stdout } = await withEngine(connection, (engine) =>
    engine.diff({
      from: { tag: 'schemaDatasource', files: [schema], configDir: prismaFolder },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: true,
      exitCode: null,
      filters,
    }),
  );
  return (stdout ?? '').replace('-- This is an empty migration.', '').trim();
}

/** What `prisma migrate status` finds out about the database and prisma/migrations. */
export function migrationStatus(connection: ConnectionSettings): Promise<DiagnoseMigrationHistoryOutput> {
  const migrations = join(prismaFolder, 'migrations');
  const folders = readdirSync(migrations, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return withEngine(connection, (engine) =>
    engine.diagnoseMigrationHistory({
      migrationsList: {
        baseDir: migrations,
        lockfile: {
          path: 'migration_lock.toml',
          content: readFileSync(join(migrations, 'migration_lock.toml'), 'utf8'),
        },
        shadowDbInitScript: '',
        migrationDirectories: folders.map(({ name }) => {
          const value = readFileSync(join(migrations, name, 'migration.sql'), 'utf8');
          return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok', value } } };
        }),
      },
      optInToShadowDatabase: false,
      filters,
    }),
  );
}

async function withEngine<T>(connection: ConnectionSettings, ask: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  const { SchemaEngine } = await loadEngine();
  const pool = new pg.Pool({ ...connection, max: 1 });
  const adapter = bindMigrationAwareSqlAdapterFactory(adapterThatReadsChars(pool));
  const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, adapter);
  try {
    return await ask(engine);
  } finally {
    engine.free();
    await pool.end();
  }
}

/**
 * Prisma's adapter for pg refuses Postgres' one-byte type "char", in which the catalogue keeps what kind a constraint is.
 * Here it gets to see `text`, and the engine the type that it expects.
 */
function adapterThatReadsChars(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
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

  const factory = new PrismaPg(pool);
  const connect = async () => {
    const adapter = await factory.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (request) => {
      const result = await queryRaw(request);
      const columnTypes = result.columnTypes.map((type, i) =>
        charColumns.includes(result.columnNames[i] ?? '') ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  };
  return { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect };
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
  const binary = readFileSync(source.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': engine });
  engine.__wbg_set_wasm(instance.exports);
  // Where the engine leaves its last words; without it they are lost in a TypeError.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: throwPanic } });
  (instance.exports.__wbindgen_start as () => void)();
  return engine;
}

function throwPanic(message: string): never {
  throw new Error(`Prisma's schema engine failed: ${message}`);
}
