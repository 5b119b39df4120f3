import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';

/** The same error with another message or other extensions: where it lies stays. */
export function reviseError(
  error: GraphQLError,
  revised: { readonly message?: string; readonly extensions?: GraphQLErrorExtensions },
): GraphQLError {
  const { nodes, source, positions, path } = error;
  return new GraphQLError(revised.message ?? error.message, {
    ...(nodes && { nodes }),
    ...(source && { source }),
    ...(positions && { positions }),
    ...(path && { path }),
    extensions: revised.extensions ?? error.extensions,
  });
}
