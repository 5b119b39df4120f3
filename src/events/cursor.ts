import type { LogPoint, LogPosition } from '../store/log-position.ts';
import { checkedSnapshot } from '../store/snapshot.ts';

/**
 * What cursors say. To everybody else they are opaque; inside they are `<version><kind><epoch>.<…>` in base64url, with numbers
 * to the base 36 and snapshots written as distances, because one stands in every event that is delivered.
 */
export type Cursor =
  /** How far a reader of all events is. */
  | { readonly kind: 'log'; readonly epoch: number; readonly point: LogPoint }
  /** How far a reader of one run is. The epoch is null in cursors that were made without knowing it. */
  | { readonly kind: 'run'; readonly epoch: number | null; readonly pipelineRunId: bigint; readonly seq: number };

/** Thrown when a cursor was not made by this server, or is of another kind of subscription. The message is for who sent it. */
export class InvalidCursorError extends Error {
  override readonly name = 'InvalidCursorError';
}

const version = '1';
const nothingSeen = '0';
/** Room for the transactions of some thousand connections. */
const maxLength = 40_000;
const int8Limit = 2n ** 63n;

/** The cursor of a reader of all events. */
export function formatLogCursor(epoch: number, { seen, page }: LogPoint): string {
  return page ? logCursorsOf(epoch, seen, page.upTo)(page.lastId) : encode(startOf(epoch, seen));
}

/** Makes the cursors of the events of one page: all but the id is written once. */
export function logCursorsOf(epoch: number, seen: LogPosition | null, upTo: LogPosition): (lastId: bigint) => string {
  const start = `${startOf(epoch, seen)}.${formatPosition(upTo)}.`;
  return (lastId) => encode(start + lastId.toString(36));
}

/** The cursor of an event of one run: in a stream about that run, what comes after it follows. */
export function formatRunCursor(pipelineRunId: bigint, seq: number, epoch: number | null = null): string {
  return encode(`${version}r${epoch?.toString(36) ?? ''}.${pipelineRunId.toString(36)}.${seq.toString(36)}`);
}

/** Reads a cursor. Throws InvalidCursorError for anything that this server did not give out. */
export function parseCursor(text: string): Cursor {
  const cursor = parse(text);
  if (!cursor) throw new InvalidCursorError('This is not a cursor of this server. Subscribe without one to begin now.');
  return cursor;
}

/** Reads the cursor of an event of one run; null for anything else. */
export function parseRunCursor(text: string): { readonly pipelineRunId: bigint; readonly seq: number } | null {
  const cursor = parse(text);
  return cursor?.kind === 'run' ? cursor : null;
}

function encode(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64url');
}

function startOf(epoch: number, seen: LogPosition | null): string {
  return `${version}l${epoch.toString(36)}.${seen ? formatPosition(seen) : nothingSeen}`;
}

function formatPosition({ snapshot: { xmin, xmax, xip }, maxId }: LogPosition): string {
  const inProgress = xip.map((xid) => (xid - xmin).toString(36)).join(',');
  return `${xmin.toString(36)}:${(xmax - xmin).toString(36)}:${inProgress}:${maxId.toString(36)}`;
}

function parse(text: string): Cursor | null {
  if (text.length > maxLength || !/^[\w-]+$/.test(text)) return null;
  const content = Buffer.from(text, 'base64url').toString('latin1');
  const match = /^1([lr])([\da-z]{0,7})\.([\da-z.:,]+)$/.exec(content);
  if (!match) return null;
  const [, kind, epochText = '', rest = ''] = match;
  const epoch = epochText === '' ? null : Number.parseInt(epochText, 36);
  const parts = rest.split('.');
  if (kind === 'r') return parseRun(epoch, parts);
  return epoch === null ? null : parseLog(epoch, parts);
}

function parseRun(epoch: number | null, parts: readonly string[]): Cursor | null {
  const pipelineRunId = parseNumber(parts[0]);
  const seq = parseNumber(parts[1]);
  if (pipelineRunId === null || seq === null || seq >= 2n ** 31n || parts.length !== 2) return null;
  return { kind: 'run', epoch, pipelineRunId, seq: Number(seq) };
}

function parseLog(epoch: number, parts: readonly string[]): Cursor | null {
  const [seenText, upToText, lastIdText] = parts;
  const seen = seenText === nothingSeen ? null : parsePosition(seenText);
  if (seen === null && seenText !== nothingSeen) return null;
  if (parts.length === 1) return { kind: 'log', epoch, point: { seen, page: null } };
  const upTo = parsePosition(upToText);
  const lastId = parseNumber(lastIdText);
  if (upTo === null || lastId === null || parts.length !== 3) return null;
  return { kind: 'log', epoch, point: { seen, page: { upTo, lastId } } };
}

function parsePosition(text: string | undefined): LogPosition | null {
  const [xminText, widthText, inProgress, maxIdText, ...more] = text?.split(':') ?? [];
  const xmin = parseNumber(xminText);
  const width = parseNumber(widthText);
  const maxId = parseNumber(maxIdText);
  if (xmin === null || width === null || maxId === null || inProgress === undefined || more.length > 0) return null;
  const distances = inProgress === '' ? [] : inProgress.split(',').map(parseNumber);
  if (distances.some((distance) => distance === null)) return null;
  const xip = distances.map((distance) => xmin + (distance ?? 0n));
  const snapshot = checkedSnapshot(xmin, xmin + width, xip);
  return snapshot && { snapshot, maxId };
}

/** A number to the base 36 that fits a bigint column; null when it is none. */
function parseNumber(text: string | undefined): bigint | null {
  if (text === undefined || !/^[\da-z]{1,13}$/.test(text)) return null;
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value < int8Limit ? value : null;
}
