import { access } from 'node:fs/promises';
import type { DuckDBType, DuckDBValue, DuckDBValueConverter } from '@duckdb/node-api';
import type { Json } from '../domain/pipeline.ts';

export type TableRows = {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly Json[])[];
};

/**
 * Reads rows of a Parquet or CSV file, at most `limit` of them (null: all). Whole numbers are numbers where that is exact and
 * else strings, as decimals and instants are; NaN and ±Infinity are null. Rejects with ENOENT when the file is gone.
 */
export async function readTableFile(format: 'parquet' | 'csv', file: string, limit: number | null): Promise<TableRows> {
  const sql = `select * from read_${format}($file)${limit === null ? '' : ` limit ${Math.trunc(limit)}`}`;
  return query(file, sql);
}

/** The columns and the number of rows of a Parquet or CSV file. Reads all of it, streaming; rejects when it is not what it claims to be. */
export async function describeTableFile(
  format: 'parquet' | 'csv',
  file: string,
): Promise<{ readonly columns: TableRows['columns']; readonly rowCount: number }> {
  const { columns } = await readTableFile(format, file, 0);
  // Not count(*) alone, which would not look into the lines of a CSV file.
  const { rows } = await query(file, `select count(columns(*)), count(*) from read_${format}($file)`);
  return { columns, rowCount: Number(rows[0]?.at(-1) ?? 0) };
}

async function query(file: string, sql: string): Promise<TableRows> {
  await access(file);
  // Loaded on first use: a server that shows no tables, and a block that reads none, go without its 60 MB.
  const duckdb = await import('@duckdb/node-api');
  const toJson = createConverter(duckdb);
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    threads: '1',
    autoinstall_known_extensions: 'false',
  });
  try {
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(sql, { file: literalPath(file) });
    const names = result.columnNames();
    const columns = result.columnTypes().map((type, index) => ({ name: names[index] ?? '', type: type.toString() }));
    const rows = result.convertRows<Json>(toJson);
    connection.closeSync();
    return { columns, rows };
  } finally {
    instance.closeSync();
  }
}

/** DuckDB takes a path for a pattern. */
function literalPath(file: string): string {
  return file.replace(/[*?[]/g, '[$&]');
}

function createConverter(duckdb: typeof import('@duckdb/node-api')): DuckDBValueConverter<Json> {
  const { DuckDBTypeId: Id, JsonDuckDBValueConverter } = duckdb;
  const wholeNumbers: ReadonlySet<number> = new Set([Id.BIGINT, Id.UBIGINT, Id.HUGEINT, Id.UHUGEINT, Id.BIGNUM]);
  const fractions: ReadonlySet<number> = new Set([Id.FLOAT, Id.DOUBLE]);
  return (value: DuckDBValue, type: DuckDBType, converter: DuckDBValueConverter<Json>): Json => {
    if (value === null) return null;
    if (wholeNumbers.has(type.typeId)) return exactNumber(value as bigint);
    if (fractions.has(type.typeId)) return Number.isFinite(value) ? (value as number) : null;
    return JsonDuckDBValueConverter(value, type, converter as never) as Json;
  };
}

function exactNumber(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
