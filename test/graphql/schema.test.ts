import { readFileSync } from 'node:fs';
import { type GraphQLNamedType, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from 'graphql';
import { expect, test } from 'vitest';
import { printedSchema, schemaFile } from '../../src/graphql/print-schema.ts';
import { createSchema } from '../../src/graphql/schema.ts';

const schema = createSchema();
const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));
const builtIn = new Set(['Boolean', 'Float', 'ID', 'Int', 'String']);

test('schema.graphql says what the code says; if not, run `npm run generate`', () => {
  expect(readFileSync(schemaFile, 'utf8')).toBe(printedSchema());
});

/** Pothos keeps what a type or field was declared with in its extensions. */
type Declared = { readonly extensions: { readonly pothosOptions?: { readonly authScopes?: unknown } } };

test('no field can be read without a role: each has a rule, or its type has one', () => {
  const open: string[] = [];
  for (const type of types) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    if ((type as Declared).extensions.pothosOptions?.authScopes) continue;
    for (const field of Object.values(type.getFields())) {
      if (!(field as Declared).extensions.pothosOptions?.authScopes) open.push(`${type.name}.${field.name}`);
    }
  }
  expect(open).toEqual([]);
});

test('everything explains itself: each type, field, argument and value has a description', () => {
  const silent = types.filter(({ name }) => !builtIn.has(name)).flatMap(undescribed);
  expect(silent).toEqual([]);
});

function undescribed(type: GraphQLNamedType): readonly string[] {
  const parts: [string, string | null | undefined][] = [[type.name, type.description]];
  if (isEnumType(type)) {
    parts.push(
      ...type
        .getValues()
        .map((value): [string, typeof value.description] => [`${type.name}.${value.name}`, value.description]),
    );
  }
  if (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      parts.push([`${type.name}.${field.name}`, field.description]);
      for (const argument of 'args' in field ? field.args : []) {
        parts.push([`${type.name}.${field.name}(${argument.name})`, argument.description]);
      }
    }
  }
  return parts.filter(([, description]) => !description?.trim()).map(([name]) => name);
}
