import { createHash } from 'node:crypto';
import { BREAK, type DocumentNode, GraphQLError, type GraphQLSchema, validate, visit } from 'graphql';
import type { CachedDocument } from './document-cache.ts';
import { isPrototypeKey } from './read-params.ts';
import { reviseError } from './revise-error.ts';

export type Validity =
  | { readonly ok: true; readonly document: CachedDocument }
  | { readonly ok: false; readonly errors: readonly GraphQLError[] };

/** Whether a document is right by itself, whoever sends it and with whatever variables; that is what makes it worth remembering. */
export function validateDocument(schema: GraphQLSchema, text: string, document: DocumentNode): Validity {
  const errors = validate(schema, document, undefined, { maxErrors: 20 });
  if (errors.length > 0) {
    const code = 'GRAPHQL_VALIDATION_FAILED';
    return {
      ok: false,
      errors: errors.map((error) => reviseError(error, { message: sentence(error), extensions: { code } })),
    };
  }
  let introspects = false;
  let forbidden: string | null = null;
  visit(document, {
    Field: (field) => {
      introspects ||= field.name.value === '__schema' || field.name.value === '__type';
    },
    // Variables are looked at as JSON; literals of a JSON scalar would get around that.
    ObjectField: (field) => {
      if (!isPrototypeKey(field.name.value)) return undefined;
      forbidden = field.name.value;
      return BREAK;
    },
  });
  if (forbidden !== null) return { ok: false, errors: [prototypeKey(forbidden)] };
  return { ok: true, document: { document, hash: hashOf(text), introspects } };
}

/** The one message of graphql's that says neither what happened nor what to do. */
function sentence({ message }: GraphQLError): string {
  if (message !== 'Validation aborted.') return message;
  return 'The document names too many fields side by side to be checked. Ask for less at once.';
}

/** How logs name a document. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function prototypeKey(name: string): GraphQLError {
  return new GraphQLError(`"${name}" may not be the name of a member of an object.`, {
    extensions: { code: 'BAD_REQUEST' },
  });
}
