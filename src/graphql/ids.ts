/**
 * Global ids are a type prefix and the number that tables, logs and URLs show: `run_1042`. Clients treat them as opaque;
 * people can read them.
 */

export type NumberedIdPrefix = 'run' | 'blk' | 'trg' | 'wrk' | 'log' | 'bop';

const pipelinePrefix = 'pip_';
const largestId = 2n ** 63n - 1n;

export function formatId(prefix: NumberedIdPrefix, id: bigint): string {
  return `${prefix}_${id}`;
}

/** The number in `run_1042`; null for anything that is not an id of this kind. */
export function parseId(prefix: NumberedIdPrefix, globalId: string): bigint | null {
  const match = /^([a-z]{3})_([1-9][0-9]{0,18})$/.exec(globalId);
  if (match?.[1] !== prefix || match[2] === undefined) return null;
  const id = BigInt(match[2]);
  return id <= largestId ? id : null;
}

export function formatPipelineId(uuid: string): string {
  return `${pipelinePrefix}${uuid}`;
}

/** The uuid in `pip_daily_sales`; null for anything else. */
export function parsePipelineId(globalId: string): string | null {
  return globalId.startsWith(pipelinePrefix) && globalId.length > pipelinePrefix.length
    ? globalId.slice(pipelinePrefix.length)
    : null;
}
