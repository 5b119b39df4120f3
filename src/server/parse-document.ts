import { type DocumentNode, GraphQLError, Lexer, parse, Source, TokenKind } from 'graphql';
import { reviseError } from './revise-error.ts';

/** Deeper brackets than this are refused: GraphQL's parser, like every walker of a document, recurses, and 2,000 tokens can overflow its stack. */
const maxNesting = 64;

/** Parses a document of at most `maxTokens`, or says what is wrong with it. */
export function parseDocument(text: string, maxTokens: number): DocumentNode | GraphQLError {
  try {
    return tooNested(text, maxTokens) ?? parse(text, { maxTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return reviseError(error, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } });
  }
}

/** Looks at the tokens alone, without recursion. */
function tooNested(text: string, maxTokens: number): GraphQLError | null {
  const lexer = new Lexer(new Source(text));
  let nesting = 0;
  for (let count = 0; count <= maxTokens; count += 1) {
    const { kind } = lexer.advance();
    if (kind === TokenKind.EOF) return null;
    if (kind === TokenKind.BRACE_L || kind === TokenKind.BRACKET_L || kind === TokenKind.PAREN_L) nesting += 1;
    if (kind === TokenKind.BRACE_R || kind === TokenKind.BRACKET_R || kind === TokenKind.PAREN_R) nesting -= 1;
    if (nesting > maxNesting) {
      return new GraphQLError(`The document has more than ${maxNesting} brackets within one another.`, {
        extensions: { code: 'TOO_EXPENSIVE' },
      });
    }
  }
  return null;
}
