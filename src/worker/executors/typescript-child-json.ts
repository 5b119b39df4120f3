import type { Json } from '../../domain/pipeline.ts';
import { BlockMistake } from './typescript-child-errors.ts';

/**
 * Makes a value such that JSON.stringify writes it by the rules of penstock/block, copying only what has to change: most rows
 * go through untouched. Throws a BlockMistake that names the place of what can't be kept; `name` is the value's own name.
 */
export function jsonable(value: unknown, name: string): unknown {
  try {
    return convert(value, []);
  } catch (error) {
    if (error instanceof NotJson)
      throw new BlockMistake('OutputNotStorable', `${name}${error.place()} ${error.reason}`);
    throw error;
  }
}

/** The value as JSON text. */
export function jsonText(value: unknown, name: string): string {
  return JSON.stringify(jsonable(value, name)) ?? 'null';
}

/**
 * Whether Postgres can hold this JSON text: it takes neither NUL nor half of a surrogate pair. (A text that merely looks like
 * one is refused too, which costs it a file of its own and nothing else.)
 */
export function isStorableInline(text: string): boolean {
  return !/\\u(0000|d[89a-f])/i.test(text);
}

/** What a value becomes once written and read again. */
export function readBack(text: string): Json {
  return JSON.parse(text) as Json;
}

/** Whether a value makes one row of a table: an object with columns, not one that stands for a single value. */
export function isRow(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Map || value instanceof Set || value instanceof Error || value instanceof Promise) &&
    typeof (value as { toJSON?: unknown }).toJSON !== 'function'
  );
}

class NotJson extends Error {
  readonly reason: string;
  readonly #places: string[] = [];

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }

  inside(key: string | number): this {
    this.#places.unshift(
      typeof key === 'number' ? `[${key}]` : /^[\w$]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    );
    return this;
  }

  place(): string {
    return this.#places.join('');
  }
}

function convert(value: unknown, ancestors: object[]): unknown {
  switch (typeof value) {
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    case 'function':
      throw new NotJson('is a function, which can not be kept for the next block.');
    case 'symbol':
      throw new NotJson('is a symbol, which can not be kept for the next block.');
    case 'object':
      return value === null || value instanceof Date ? value : convertObject(value, ancestors);
    default:
      return value;
  }
}

function convertObject(value: object, ancestors: object[]): unknown {
  if (ancestors.includes(value)) throw new NotJson('refers back to something that it is part of.');
  if (value instanceof Promise) throw new NotJson('is a promise: await it first.');
  ancestors.push(value);
  try {
    if (Array.isArray(value)) return convertItems(value, ancestors);
    if (ArrayBuffer.isView(value))
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
    if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64');
    if (value instanceof Map) return convertEntries(value, ancestors);
    if (value instanceof Set) return convertItems([...value], ancestors);
    if (value instanceof Error) return { name: value.name, message: value.message };
    const toJson = (value as { toJSON?: unknown }).toJSON;
    if (typeof toJson === 'function') return convert(toJson.call(value), ancestors);
    return convertProperties(value as Record<string, unknown>, ancestors);
  } finally {
    ancestors.pop();
  }
}

function convertItems(items: readonly unknown[], ancestors: object[]): readonly unknown[] {
  let copy: unknown[] | null = null;
  for (let index = 0; index < items.length; index++) {
    const converted = convertInside(items[index], index, ancestors);
    if (copy === null && !Object.is(converted, items[index])) copy = items.slice(0, index);
    copy?.push(converted);
  }
  return copy ?? items;
}

function convertProperties(object: Record<string, unknown>, ancestors: object[]): object {
  let copy: Record<string, unknown> | null = null;
  for (const key of Object.keys(object)) {
    const value = object[key];
    const converted = convertInside(value, key, ancestors);
    if (Object.is(converted, value)) continue;
    copy ??= { ...object };
    copy[key] = converted;
  }
  return copy ?? object;
}

function convertEntries(map: ReadonlyMap<unknown, unknown>, ancestors: object[]): object {
  const properties: [string, unknown][] = [];
  for (const [key, value] of map) properties.push([String(key), convertInside(value, String(key), ancestors)]);
  return Object.fromEntries(properties);
}

function convertInside(value: unknown, key: string | number, ancestors: object[]): unknown {
  try {
    return convert(value, ancestors);
  } catch (error) {
    throw error instanceof NotJson ? error.inside(key) : error;
  }
}
