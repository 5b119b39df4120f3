import type { KeysetPosition, KeysetWindow } from '../store/keyset.ts';
import { type CursorCodec, type CursorKey, cursorCodec } from './cursors.ts';
import { invalidCursor, invalidInput } from './request-errors.ts';

export type PageArguments = {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
};

export type PageSize = { readonly default: number; readonly max: number };
export const standardPage: PageSize = { default: 25, max: 100 };

export type Connection<Node> = {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
  readonly hasNextPage: () => Promise<boolean>;
  readonly hasPreviousPage: () => Promise<boolean>;
};

export type Reading = {
  readonly size: number;
  readonly backward: boolean;
  /** Where to continue; null for the list's start, or its end when reading backward. */
  readonly cursor: string | null;
};

/** What the four page arguments ask for; throws INVALID_INPUT when they contradict each other or ask for too much. */
export function readPageArguments(page: PageArguments, size: PageSize): Reading {
  const { first, after, last, before } = page;
  const isGiven = (value: unknown) => value !== null && value !== undefined;
  if (isGiven(first) && isGiven(last)) throw invalidInput('Give `first` or `last`, not both.');
  if (isGiven(after) && isGiven(before)) throw invalidInput('Give `after` or `before`, not both.');
  if (isGiven(first) && isGiven(before)) throw invalidInput('`before` goes with `last`; with `first`, give `after`.');
  if (isGiven(last) && isGiven(after)) throw invalidInput('`after` goes with `first`; with `last`, give `before`.');

  const backward = isGiven(last) || isGiven(before);
  const asked = (backward ? last : first) ?? size.default;
  const name = backward ? 'last' : 'first';
  if (asked < 0) throw invalidInput(`\`${name}\` is ${asked}; it can't be negative.`);
  if (asked > size.max) throw invalidInput(`\`${name}\` is ${asked}; at most ${size.max} can be read at once.`);
  return { size: asked, backward, cursor: (backward ? before : after) ?? null };
}

/** How the sort values of a list travel in its cursors. */
export type SortKind = 'instant' | 'text' | 'number';

type Position<Id> = KeysetPosition & { readonly id: Id };

export type KeysetList<Id extends bigint | string, Node> = {
  /** Everything that makes this list what it is: name, filter, order. Its cursors are bound to it. */
  readonly identity: unknown;
  readonly sortKind: SortKind;
  readonly idKind: 'number' | 'text';
  readonly size: PageSize;
  /** The positions within a window, in reading direction. */
  readonly positions: (window: KeysetWindow) => Promise<readonly Position<Id>[]>;
  /** The rows with these ids, in any order. */
  readonly load: (ids: readonly Id[]) => Promise<readonly Node[]>;
  readonly idOf: (node: Node) => Id;
};

/** One page of a list. Asks for one row more than wanted, to know whether there is another page. */
export async function readPage<Id extends bigint | string, Node>(
  list: KeysetList<Id, Node>,
  page: PageArguments,
): Promise<Connection<Node>> {
  const { size, backward, cursor } = readPageArguments(page, list.size);
  const codec = cursorCodec(list.identity);
  const from = cursor === null ? null : decodePosition(codec, cursor, list);

  const read = await list.positions({ from, backward, limit: size + 1 });
  const inReadingOrder = read.slice(0, size);
  const positions = backward ? inReadingOrder.toReversed() : inReadingOrder;
  const nodes = positions.length === 0 ? [] : await list.load(positions.map((position) => position.id));
  const byId = new Map(nodes.map((node) => [list.idOf(node), node]));

  const hasMoreAhead = async () => read.length > size;
  /** Behind the page there is what the cursor stood for, unless that was deleted: so look. */
  const hasMoreBehind = async () => {
    if (from === null) return false;
    const nearest = inReadingOrder[0] ?? from;
    return (await list.positions({ from: nearest, backward: !backward, limit: 1 })).length > 0;
  };
  return {
    edges: positions.flatMap((position) => {
      const node = byId.get(position.id);
      return node === undefined ? [] : [{ cursor: encodePosition(codec, position), node }];
    }),
    hasNextPage: backward ? hasMoreBehind : hasMoreAhead,
    hasPreviousPage: backward ? hasMoreAhead : hasMoreBehind,
  };
}

function encodePosition(codec: CursorCodec, { value, id }: KeysetPosition): string {
  return codec.encode([value instanceof Date ? value.toISOString() : value, id.toString()]);
}

function decodePosition(
  codec: CursorCodec,
  cursor: string,
  { sortKind, idKind }: { readonly sortKind: SortKind; readonly idKind: 'number' | 'text' },
): KeysetPosition {
  const [value, id] = codec.decode(cursor);
  const position = { value: decodeValue(sortKind, value ?? null), id: decodeId(idKind, id ?? null) };
  if (position.value === undefined || position.id === undefined) {
    throw invalidCursor('This cursor has been altered. Start again without one.');
  }
  return { value: position.value, id: position.id };
}

function decodeValue(kind: SortKind, value: CursorKey): KeysetPosition['value'] | undefined {
  if (value === null) return null;
  if (kind === 'number') return Number.isSafeInteger(Number(value)) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (kind === 'text') return value;
  const instant = new Date(value);
  return Number.isNaN(instant.getTime()) ? undefined : instant;
}

function decodeId(kind: 'number' | 'text', id: CursorKey): bigint | string | undefined {
  if (typeof id !== 'string') return undefined;
  if (kind === 'text') return id;
  return /^[0-9]{1,18}$/.test(id) ? BigInt(id) : undefined;
}

const exactUpTo = 10_000;

export type CappedCount = { readonly totalCount: number; readonly isExact: boolean };

/** A count that is asked for at most once, and looks at no more than 10,001 rows. */
export function cappedCount(count: (atMost: number) => Promise<number>): () => Promise<CappedCount> {
  let counted: Promise<CappedCount> | undefined;
  return () => {
    counted ??= count(exactUpTo + 1).then((found) => ({
      totalCount: Math.min(found, exactUpTo),
      isExact: found <= exactUpTo,
    }));
    return counted;
  };
}
