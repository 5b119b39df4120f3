import { Prisma } from '../generated/prisma/client.ts';

/**
 * Keyset paging: a page starts beside a row that the caller has seen, named by its sort value and id, and costs the same
 * at any depth. (Prisma's own `cursor` took 1.2–1.7 s deep in 10 M rows.)
 */
export type KeysetPosition = {
  /** Null where the sorted column is. */
  readonly value: Date | string | number | null;
  readonly id: bigint | string;
};

export type KeysetWindow = {
  /** Rows strictly beyond this one, in reading direction; null for the start of the list. */
  readonly from: KeysetPosition | null;
  /** True reads from the end of the list towards its start. */
  readonly backward: boolean;
  readonly limit: number;
};

export type SortDirection = 'asc' | 'desc';

export type KeysetOrder = {
  /** A column expression that an index leads with. */
  readonly value: Prisma.Sql;
  /** The unique column that breaks ties. */
  readonly id: Prisma.Sql;
  readonly direction: SortDirection;
  /** Whether `value` may be null. Nulls stand at the end of the list, whatever its direction. */
  readonly nullable: boolean;
};

/** What a row must meet to lie beyond `window.from`, and the order in which to read. */
export function keyset(order: KeysetOrder, window: KeysetWindow): { where: Prisma.Sql; orderBy: Prisma.Sql } {
  const descending = (order.direction === 'desc') !== window.backward;
  return { where: beyond(order, window, descending), orderBy: orderBy(order, window, descending) };
}

function orderBy(order: KeysetOrder, window: KeysetWindow, descending: boolean): Prisma.Sql {
  const direction = descending ? Prisma.sql`desc` : Prisma.sql`asc`;
  // Without a nullable column the words stay away: "nulls last" would keep a plain index from serving the order.
  const nulls = order.nullable ? (window.backward ? Prisma.sql` nulls first` : Prisma.sql` nulls last`) : Prisma.empty;
  return Prisma.sql`${order.value} ${direction}${nulls}, ${order.id} ${direction}`;
}

function beyond(order: KeysetOrder, window: KeysetWindow, descending: boolean): Prisma.Sql {
  if (window.from === null) return Prisma.sql`true`;
  const { value, id } = window.from;
  const past = descending ? Prisma.sql`<` : Prisma.sql`>`;
  const pastId = Prisma.sql`${order.id} ${past} ${id}`;
  if (value === null) {
    const amongNulls = Prisma.sql`(${order.value} is null and ${pastId})`;
    return window.backward ? Prisma.sql`(${amongNulls} or ${order.value} is not null)` : amongNulls;
  }
  // The first comparison is redundant, and the one that lets Postgres start in the middle of the index.
  const bound = Prisma.sql`(${order.value} ${past}= ${value} and (${order.value} ${past} ${value} or ${pastId}))`;
  return order.nullable && !window.backward ? Prisma.sql`(${bound} or ${order.value} is null)` : bound;
}
