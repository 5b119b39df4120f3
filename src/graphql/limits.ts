import { type DocumentNode, type GraphQLError, type GraphQLSchema, Kind, visit } from 'graphql';
import { estimateCost } from './cost.ts';
import { documentDepth } from './depth.ts';
import { tooExpensive } from './request-errors.ts';

/**
 * How large a document may be. Asked before validation, whose own work a large document could make expensive; so a document
 * here has been parsed, and nothing more is known of it.
 */
export type LimitedDocument = {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>>;
  /** For callers who may read the schema: GraphiQL's introspection query is 15 deep. */
  readonly introspectionIsFree: boolean;
};

const maxTokens = 2_000;
const maxAliases = 30;
const maxDirectives = 20;
const maxDepth = 12;
const maxCost = 1_000;

/** What is too much about a document: nothing, or one sentence per limit that it passes. */
function checkLimits(limited: LimitedDocument): readonly GraphQLError[] {
  const { document, introspectionIsFree } = limited;
  const { aliases, directives } = countAliasesAndDirectives(document);
  const depth = documentDepth(document, { introspectionIsFree });
  if (aliases > maxAliases)
    return [tooExpensive(`The document has ${aliases} aliases; at most ${maxAliases} are allowed.`)];
  if (directives > maxDirectives) {
    return [tooExpensive(`The document has ${directives} directives; at most ${maxDirectives} are allowed.`)];
  }
  if (depth > maxDepth) {
    return [tooExpensive(`The document is ${depth} fields deep; at most ${maxDepth} are allowed.`)];
  }
  const cost = Math.ceil(estimateCost(limited));
  if (cost <= maxCost) return [];
  return [
    tooExpensive(
      `The document may cost ${cost}; at most ${maxCost} is allowed. Each list costs 1, and a tenth per item that it may have: ask for smaller pages (\`first\`) of what is inside of lists.`,
    ),
  ];
}

/** Both in the shape that the server asks its limits in. */
export const documentLimits = { maxTokens, check: checkLimits } as const;

function countAliasesAndDirectives(document: DocumentNode): { aliases: number; directives: number } {
  let aliases = 0;
  let directives = 0;
  visit(document, {
    enter: (node) => {
      if (node.kind === Kind.FIELD && node.alias) aliases += 1;
      if (node.kind === Kind.DIRECTIVE) directives += 1;
    },
  });
  return { aliases, directives };
}
