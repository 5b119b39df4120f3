import type pg from 'pg';
import type { OutputManifest } from '../domain/outputs.ts';

/** The newest outputs of block runs; those that have none are left out. */
export async function storedOutputs(
  client: pg.ClientBase | pg.Pool,
  blockRunIds: readonly bigint[],
): Promise<readonly { readonly id: bigint; readonly outputs: readonly OutputManifest[] }[]> {
  const result = await client.query<{ id: bigint; outputs: readonly OutputManifest[] }>({
    name: 'stored-outputs',
    text: 'select id, outputs from block_run where id = any($1) and outputs is not null',
    values: [blockRunIds],
  });
  return result.rows;
}
