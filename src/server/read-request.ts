import { GraphQLError } from 'graphql';
import { readParams } from './read-params.ts';

/**
 * The JSON of an operation in an HTTP request. Throws a GraphQLError with status 400 when there is none: Yoga's own readers answer some
 * mistakes with 500, and quote the parser.
 */
export async function readRequest(request: Request): Promise<Record<string, unknown>> {
  const json =
    request.method === 'GET' ? fromUrl(new URL(request.url).searchParams) : parseJson(await request.text(), 'The body');
  const read = readParams(json);
  if (!read.ok) throw badRequest(read.message);
  // As it was sent: `prepareOperation` reads it as it does on every transport.
  return json as Record<string, unknown>;
}

function fromUrl(search: URLSearchParams): Record<string, unknown> {
  const json = (name: string) => {
    const text = search.get(name);
    return text ? parseJson(text, `\`${name}\``) : undefined;
  };
  return {
    query: search.get('query'),
    operationName: search.get('operationName'),
    variables: json('variables'),
    extensions: json('extensions'),
  };
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest(`${what} is not JSON.`);
  }
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });
}
