import { GraphQLError, Kind, type ValueNode } from 'graphql';
import type { Json, JsonObject } from '../domain/pipeline.ts';
import { builder } from './builder.ts';
import { invalidInput } from './request-errors.ts';

const instantPattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

builder.scalarType('DateTime', {
  description:
    'An instant: RFC 3339, for instance `2026-03-01T06:00:00.000Z`. Answers are in UTC with milliseconds; inputs may have any offset, but need one.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => value.toISOString(),
  parseValue: parseInstant,
  parseLiteral: (node) => parseInstant(node.kind === Kind.STRING ? node.value : null),
});

builder.scalarType('JSON', {
  description: 'Any JSON value: an object, a list, a string, a number, true, false or null.',
  serialize: (value) => value,
  parseValue: (value) => value as Json,
  parseLiteral: (node, variables) => literalToJson(node, variables ?? {}),
});

builder.scalarType('JSONObject', {
  description: 'A JSON object, for instance `{"region": "EU", "limit": 10}`.',
  serialize: (value) => value,
  parseValue: asJsonObject,
  parseLiteral: (node, variables) => asJsonObject(literalToJson(node, variables ?? {})),
});

function parseInstant(value: unknown): Date {
  const instant = typeof value === 'string' && instantPattern.test(value) ? new Date(value) : null;
  if (instant === null || Number.isNaN(instant.getTime())) {
    throw invalidInput('A DateTime is written like 2026-03-01T06:00:00Z: date, time and an offset (RFC 3339).');
  }
  return instant;
}

function asJsonObject(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidInput('A JSONObject is an object, for instance {"region": "EU"}.');
  }
  return value as JsonObject;
}

/** Own properties only, also for a key like __proto__, so that whoever checks the value sees every key that was sent. */
function literalToJson(node: ValueNode, variables: Readonly<Record<string, unknown>>): Json {
  switch (node.kind) {
    case Kind.NULL:
      return null;
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.LIST:
      return node.values.map((value) => literalToJson(value, variables));
    case Kind.OBJECT:
      return node.fields.reduce<Record<string, Json>>((object, field) => {
        const value = literalToJson(field.value, variables);
        return Object.defineProperty(object, field.name.value, { value, enumerable: true, configurable: true });
      }, {});
    case Kind.VARIABLE:
      return (variables[node.name.value] ?? null) as Json;
    default:
      throw new GraphQLError('This is not a JSON value.', { nodes: node });
  }
}
