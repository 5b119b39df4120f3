import type { InstantCriteria, NumberCriteria, TextCriteria } from '../store/text-criteria.ts';
import { builder } from './builder.ts';
import { enumValues } from './enums.ts';
import { type NumberedIdPrefix, parseId } from './ids.ts';
import { invalidInput } from './request-errors.ts';

/** The comparisons that the filters of all lists are made of. A null means "not given". */

export const StringFilter = builder.inputType('StringFilter', {
  description: 'Comparisons of a text; all that are given must hold.',
  fields: (t) => ({
    eq: t.string({ description: 'Exactly this.' }),
    in: t.stringList({ description: 'One of these; an empty list matches nothing.' }),
    notIn: t.stringList({ description: 'None of these.' }),
    contains: t.string({ description: 'Has this anywhere in it, in upper or lower case.' }),
    startsWith: t.string({ description: 'Begins with this, in upper or lower case.' }),
  }),
});

export const IdFilter = builder.inputType('IdFilter', {
  description: 'Comparisons of an id; all that are given must hold.',
  fields: (t) => ({
    eq: t.id({ description: 'Exactly this.' }),
    in: t.idList({ description: 'One of these; an empty list matches nothing.' }),
    notIn: t.idList({ description: 'None of these.' }),
  }),
});

export const DateTimeFilter = builder.inputType('DateTimeFilter', {
  description: 'Half-open: gte ≤ value < lt.',
  fields: (t) => ({
    gte: t.field({ type: 'DateTime', description: 'At this instant or later.' }),
    lt: t.field({ type: 'DateTime', description: 'Before this instant.' }),
    isNull: t.boolean({ description: 'true: has no value yet; false: has one.' }),
  }),
});

export const FloatFilter = builder.inputType('FloatFilter', {
  description: 'Half-open: gte ≤ value < lt.',
  fields: (t) => ({
    gte: t.float({ description: 'This or more.' }),
    lt: t.float({ description: 'Less than this.' }),
  }),
});

export const OrderDirection = builder.enumType('OrderDirection', {
  description: 'Which end of the order comes first. What has no value comes last in both.',
  values: enumValues(['asc', 'desc'], { asc: 'Smallest, earliest first.', desc: 'Largest, latest first.' }),
});

type Given<Shape> = { readonly [Key in keyof Shape]?: Shape[Key] | null | undefined };
export type StringFilterInput = Given<{
  eq: string;
  in: string[];
  notIn: string[];
  contains: string;
  startsWith: string;
}>;
export type IdFilterInput = Given<{ eq: string; in: string[]; notIn: string[] }>;
export type DateTimeFilterInput = Given<{ gte: Date; lt: Date; isNull: boolean }>;
export type FloatFilterInput = Given<{ gte: number; lt: number }>;

const longestList = 1_000;

/** Throws INVALID_INPUT for a list that no person and no page would send. */
export function checkedList<Item>(name: string, items: readonly Item[]): readonly Item[] {
  if (items.length > longestList) {
    throw invalidInput(`The list in \`${name}\` has ${items.length} items; at most ${longestList} are taken.`);
  }
  return items;
}

/** The object without what was not given. */
export function given<Shape extends object>(
  shape: { [Key in keyof Shape]: Shape[Key] | null | undefined },
): {
  [Key in keyof Shape]?: NonNullable<Shape[Key]>;
} {
  const entries = Object.entries(shape).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Shape]?: NonNullable<Shape[Key]> };
}

export function textCriteria(name: string, filter: StringFilterInput): TextCriteria {
  if (filter.in) checkedList(`${name}.in`, filter.in);
  if (filter.notIn) checkedList(`${name}.notIn`, filter.notIn);
  const { eq, in: among, notIn, contains, startsWith } = filter;
  return given({ eq, in: among, notIn, contains, startsWith });
}

export function instantCriteria({ gte, lt, isNull }: DateTimeFilterInput): InstantCriteria {
  return given({ gte, lt, isNull });
}

export function numberCriteria({ gte, lt }: FloatFilterInput): NumberCriteria {
  return given({ gte, lt });
}

export type IdCriteria = { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };

/** Throws INVALID_INPUT for an id of another kind: in a filter it is a mistake, and would silently match nothing. */
export function idCriteria(name: string, prefix: NumberedIdPrefix, filter: IdFilterInput): IdCriteria {
  const parse = (id: string) => {
    const parsed = parseId(prefix, id);
    if (parsed === null) {
      throw invalidInput(`${JSON.stringify(id)} in \`${name}\` is not such an id; one looks like ${prefix}_1042.`);
    }
    return parsed;
  };
  const among = filter.in ? checkedList(`${name}.in`, filter.in).map(parse) : null;
  const exactly = filter.eq === null || filter.eq === undefined ? null : parse(filter.eq);
  const notIn = filter.notIn ? checkedList(`${name}.notIn`, filter.notIn).map(parse) : null;
  return given({
    in: exactly === null ? among : among === null ? [exactly] : among.filter((id) => id === exactly),
    notIn,
  });
}
