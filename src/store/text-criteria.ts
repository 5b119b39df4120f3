import { Prisma } from '../generated/prisma/client.ts';

/** Comparisons of a text; all that are given must hold. An empty `in` matches nothing. contains and startsWith ignore case. */
export type TextCriteria = {
  readonly eq?: string;
  readonly in?: readonly string[];
  readonly notIn?: readonly string[];
  readonly contains?: string;
  readonly startsWith?: string;
};

/** Half-open: gte ≤ value < lt. */
export type InstantCriteria = { readonly gte?: Date; readonly lt?: Date; readonly isNull?: boolean };
export type NumberCriteria = { readonly gte?: number; readonly lt?: number };

/** The conditions that `criteria` puts on the text expression `column`. */
export function textConditions(column: Prisma.Sql, criteria: TextCriteria): readonly Prisma.Sql[] {
  const conditions: Prisma.Sql[] = [];
  if (criteria.eq !== undefined) conditions.push(Prisma.sql`${column} = ${criteria.eq}`);
  if (criteria.in !== undefined) conditions.push(Prisma.sql`${column} = any(${[...criteria.in]}::text[])`);
  if (criteria.notIn !== undefined) conditions.push(Prisma.sql`${column} <> all(${[...criteria.notIn]}::text[])`);
  if (criteria.contains !== undefined) {
    conditions.push(Prisma.sql`${column} ilike ${`%${escapeLike(criteria.contains)}%`}`);
  }
  if (criteria.startsWith !== undefined) {
    conditions.push(Prisma.sql`${column} ilike ${`${escapeLike(criteria.startsWith)}%`}`);
  }
  return conditions;
}

/** The conditions on a list of tags: some tag meets what is asked, and none of them is listed in `notIn`. */
export function tagConditions(tags: Prisma.Sql, { notIn, ...positive }: TextCriteria): readonly Prisma.Sql[] {
  const conditions: Prisma.Sql[] = [];
  if (Object.keys(positive).length > 0) {
    const matches = allOf(textConditions(Prisma.sql`t.tag`, positive));
    conditions.push(Prisma.sql`exists (select 1 from unnest(${tags}) as t(tag) where ${matches})`);
  }
  if (notIn !== undefined) conditions.push(Prisma.sql`not (${tags} && ${[...notIn]}::text[])`);
  return conditions;
}

export function instantConditions(column: Prisma.Sql, criteria: InstantCriteria): readonly Prisma.Sql[] {
  const conditions: Prisma.Sql[] = [];
  if (criteria.gte !== undefined) conditions.push(Prisma.sql`${column} >= ${criteria.gte}`);
  if (criteria.lt !== undefined) conditions.push(Prisma.sql`${column} < ${criteria.lt}`);
  if (criteria.isNull !== undefined) {
    conditions.push(criteria.isNull ? Prisma.sql`${column} is null` : Prisma.sql`${column} is not null`);
  }
  return conditions;
}

export function numberConditions(column: Prisma.Sql, criteria: NumberCriteria): readonly Prisma.Sql[] {
  const conditions: Prisma.Sql[] = [];
  if (criteria.gte !== undefined) conditions.push(Prisma.sql`${column} >= ${criteria.gte}`);
  if (criteria.lt !== undefined) conditions.push(Prisma.sql`${column} < ${criteria.lt}`);
  return conditions;
}

/** `and` of all conditions; true when there are none. */
export function allOf(conditions: readonly Prisma.Sql[]): Prisma.Sql {
  return conditions.length === 0 ? Prisma.sql`true` : Prisma.join([...conditions], ' and ');
}

/** Takes the special meaning from %, _ and \ in a LIKE pattern. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
