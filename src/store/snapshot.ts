/**
 * What one moment saw of the transactions of a cluster, as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip`.
 * Everything below xmin had ended, nothing from xmax on had, and in between all but the transactions in xip.
 */
export type Snapshot = {
  readonly xmin: bigint;
  readonly xmax: bigint;
  /** In progress at that moment; ascending. */
  readonly xip: readonly bigint[];
};

/** Reads the text of a pg_snapshot; null when Postgres would refuse it. */
export function parseSnapshot(text: string): Snapshot | null {
  const match = /^(\d{1,19}):(\d{1,19}):([\d,]*)$/.exec(text);
  if (!match) return null;
  const [, xmin, xmax, xip] = match as unknown as [string, string, string, string];
  return checkedSnapshot(BigInt(xmin), BigInt(xmax), xip === '' ? [] : xip.split(',').map((xid) => BigInt(xid || 0)));
}

/** A snapshot of these parts; null when Postgres would refuse it. */
export function checkedSnapshot(xmin: bigint, xmax: bigint, xip: readonly bigint[]): Snapshot | null {
  const ascends = xip.every((xid, index) => xid >= xmin && xid < xmax && (index === 0 || xid > (xip[index - 1] ?? 0n)));
  return xmin > 0n && xmin <= xmax && xmax < 2n ** 63n && ascends ? { xmin, xmax, xip } : null;
}

/** The text that Postgres reads as a pg_snapshot. */
export function formatSnapshot({ xmin, xmax, xip }: Snapshot): string {
  return `${xmin}:${xmax}:${xip.join(',')}`;
}

/** Whether what the transaction wrote is visible in the snapshot: `pg_visible_in_snapshot` without asking Postgres. */
export function isVisible(xid: bigint, { xmin, xmax, xip }: Snapshot): boolean {
  return xid < xmin || (xid < xmax && !xip.includes(xid));
}

/** Whether `one` saw more than `other`. Of two snapshots of one cluster, the later one sees everything that the earlier one does. */
export function sawMore(one: Snapshot, other: Snapshot): boolean {
  return one.xmax === other.xmax ? one.xip.length < other.xip.length : one.xmax > other.xmax;
}
