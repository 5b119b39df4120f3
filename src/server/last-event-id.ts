import { type FieldNode, type GraphQLSchema, Kind, type OperationDefinitionNode, OperationTypeNode } from 'graphql';
import type { PreparedOperation } from './prepare-operation.ts';

/**
 * A browser's EventSource repeats its request as it was and adds `Last-Event-ID`, the id of the last event it got. Our ids are cursors, so that
 * header is a newer value for the subscription's `after`, and takes its place. Subscriptions without an `after` have nothing to resume.
 */
export function resumeAfter(prepared: PreparedOperation, schema: GraphQLSchema): PreparedOperation {
  const { operation, request } = prepared;
  if (request.lastEventId === null || operation.operation !== OperationTypeNode.SUBSCRIPTION) return prepared;
  const fields = schema.getSubscriptionType()?.getFields() ?? {};
  const selections = operation.selectionSet.selections.map((selection) => {
    if (selection.kind !== Kind.FIELD) return selection;
    const takesAfter = fields[selection.name.value]?.args.some((argument) => argument.name === 'after') ?? false;
    return takesAfter ? withAfter(selection, request.lastEventId ?? '') : selection;
  });
  const resumed: OperationDefinitionNode = { ...operation, selectionSet: { ...operation.selectionSet, selections } };
  const definitions = prepared.document.definitions.map((definition) =>
    definition === operation ? resumed : definition,
  );
  return { ...prepared, operation: resumed, document: { ...prepared.document, definitions } };
}

function withAfter(field: FieldNode, cursor: string): FieldNode {
  const others = (field.arguments ?? []).filter((argument) => argument.name.value !== 'after');
  const after = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: 'after' },
    value: { kind: Kind.STRING, value: cursor },
  } as const;
  return { ...field, arguments: [...others, after] };
}
