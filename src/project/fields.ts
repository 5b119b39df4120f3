import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { Json, JsonObject } from '../domain/pipeline.ts';
import { oneEditAway } from './did-you-mean.ts';
import type { Problems } from './problems.ts';

/** Where a mapping stands: what is needed to name a line. */
export type Origin = {
  readonly document: Document;
  readonly problems: Problems;
  readonly lineAt: (offset: number | undefined) => number | null;
};

type NumberRule = { readonly min: number; readonly integer?: boolean };

/**
 * One mapping of a yaml file, read key by key. A missing or null key is null or empty; a value of the wrong kind is reported
 * with its line and then read as if it were missing, so that one slip hides nothing else.
 */
export class Fields {
  /** Null when this mapping is not in the file. */
  readonly line: number | null;
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #node: YAMLMap | null;
  readonly #origin: Origin;

  constructor(value: unknown, node: YAMLMap | null, origin: Origin) {
    this.#value = isRecord(value) ? value : {};
    this.#node = node;
    this.#origin = origin;
    this.line = origin.lineAt(node?.range?.[0]);
  }

  get problems(): Problems {
    return this.#origin.problems;
  }

  /** The same mapping, its problems collected elsewhere. */
  reportingTo(problems: Problems): Fields {
    return new Fields(this.#value, this.#node, { ...this.#origin, problems });
  }

  has(key: string): boolean {
    return this.#get(key) !== null;
  }

  /** The line of the key; the mapping's own line when it has none. */
  lineOf(key: string): number | null {
    const pair = this.#pair(key);
    const offset = (pair?.key as Node | undefined)?.range?.[0];
    return this.#origin.lineAt(offset) ?? this.line;
  }

  /** Numbers and booleans count as the text they print. */
  text(key: string): string | null {
    const value = this.#get(key);
    if (value === null || typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    return this.#wrong(key, 'a text');
  }

  /** A number written as text counts. */
  number(key: string, rule: NumberRule): number | null {
    const value = this.#get(key);
    if (value === null || (typeof value === 'string' && value.trim() === '')) return null;
    const number = typeof value === 'string' ? Number(value) : value;
    const isGood = typeof number === 'number' && number >= rule.min && (!rule.integer || Number.isSafeInteger(number));
    if (isGood && Number.isFinite(number)) return number;
    return this.#wrong(key, `a${rule.integer ? ' whole' : ''} number, at least ${rule.min}`);
  }

  flag(key: string): boolean | null {
    const value = this.#get(key);
    if (value === null || typeof value === 'boolean') return value;
    return this.#wrong(key, 'true or false');
  }

  oneOf<const Name extends string>(key: string, names: readonly Name[]): Name | null {
    const value = this.text(key);
    if (value === null) return null;
    const found = names.find((name) => name === value);
    if (found !== undefined) return found;
    return this.#wrong(key, `one of ${names.join(', ')}`);
  }

  /** A list of texts; a lone text is a list of one, nulls are left out. */
  texts(key: string): readonly string[] {
    const value = this.#get(key);
    const items = Array.isArray(value) ? value : value === null ? [] : [value];
    if (items.some((item) => typeof item === 'object' && item !== null)) {
      this.#wrong(key, 'a list of names');
      return [];
    }
    return items.filter((item) => item !== null).map(String);
  }

  /** JSON as it stands in the file. */
  json(key: string): JsonObject {
    const value = this.#get(key);
    if (value === null) return {};
    if (isRecord(value)) return value as { readonly [name: string]: Json };
    this.#wrong(key, 'a mapping of names to values');
    return {};
  }

  /** The mapping under a key; an empty one when there is none. */
  fields(key: string): Fields {
    const node = this.#resolve(this.#pair(key)?.value);
    return new Fields(this.json(key), isMap(node) ? node : null, this.#origin);
  }

  /** The mappings of a list; anything else in it is reported. */
  list(key: string): readonly Fields[] {
    const value = this.#get(key);
    if (value === null) return [];
    if (!Array.isArray(value)) {
      this.#wrong(key, 'a list, each item starting with "- "');
      return [];
    }
    const node = this.#resolve(this.#pair(key)?.value);
    const items = isSeq(node) ? node.items : [];
    return value.flatMap((item: unknown, index) => {
      const itemNode = this.#resolve(items[index]);
      if (isRecord(item)) return [new Fields(item, isMap(itemNode) ? itemNode : null, this.#origin)];
      if (item !== null) {
        const line = this.#origin.lineAt((items[index] as Node | undefined)?.range?.[0]) ?? this.lineOf(key);
        this.problems.error(
          line,
          `An item of "${key}" must hold "key: value" lines. Write "- uuid: …" or remove the item.`,
        );
      }
      return [];
    });
  }

  /** Warns of keys that look like a slip in a known one. Other unknown keys are tolerated: projects carry many. */
  warnOfSlips(known: readonly string[]): void {
    for (const key of Object.keys(this.#value)) {
      if (known.includes(key)) continue;
      const meant = oneEditAway(key, known);
      if (meant === null || meant in this.#value) continue;
      this.problems.warning(
        this.lineOf(key),
        `"${key}" is not a key that is known here, and is ignored. Did you mean "${meant}"?`,
      );
    }
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#value, key) ? (this.#value[key] ?? null) : null;
  }

  /** The last of that name, as it is the one that counts. */
  #pair(key: string) {
    return this.#node?.items.findLast((item) => isScalar(item.key) && String(item.key.value) === key);
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#origin.document) : node;
  }

  #wrong(key: string, wanted: string): null {
    this.problems.error(this.lineOf(key), `"${key}" is ${shown(this.#get(key))}; it must be ${wanted}.`);
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isRecord(value)) return 'a mapping';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
