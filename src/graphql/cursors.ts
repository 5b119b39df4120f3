import { createHash } from 'node:crypto';
import { invalidCursor } from './request-errors.ts';

/** What a cursor carries: the sort values of the row that it stands for. */
export type CursorKey = string | number | null;

const version = 1;

/**
 * Cursors of one list. `list` is everything that makes it this list: its name, filter and order. A cursor of another list
 * is refused: it would show a page that looks right and is not.
 */
export type CursorCodec = {
  readonly encode: (key: readonly CursorKey[]) => string;
  /** Throws INVALID_CURSOR for anything that this list did not give out. */
  readonly decode: (cursor: string) => readonly CursorKey[];
};

export function cursorCodec(list: unknown): CursorCodec {
  const mark = createHash('sha256').update(canonical(list)).digest('base64url').slice(0, 8);
  return {
    encode: (key) => Buffer.from(JSON.stringify([version, mark, ...key])).toString('base64url'),
    decode: (cursor) => {
      const content = parse(cursor);
      if (content === null) throw invalidCursor('This is not a cursor of this server. Start again without one.');
      const [cursorVersion, cursorMark, ...key] = content;
      if (cursorVersion !== version || cursorMark !== mark) {
        throw invalidCursor(
          'This cursor belongs to a list with another filter or order. Start again without one, or ask with the filter and order that it came from.',
        );
      }
      return key;
    },
  };
}

function parse(cursor: string): CursorKey[] | null {
  try {
    const content: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    const isKey = (part: unknown) => part === null || typeof part === 'string' || typeof part === 'number';
    return Array.isArray(content) && content.every(isKey) ? content : null;
  } catch {
    return null;
  }
}

/** The same text for the same list, whatever the order in which a client wrote the fields of its filter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`;
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
