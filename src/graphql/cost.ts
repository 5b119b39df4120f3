import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';

/**
 * What an operation may cost at most: 1 for each list that is asked of the database, a tenth for each row or object that it may show,
 * times all lists around it. A field that does more says so in its extensions (`cost`). A guess from above, made before
 * anything is read, so that a hundred runs of a hundred block runs of a hundred lines never begin.
 */
export function estimateCost(asked: {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>>;
}): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const definition of asked.document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
    if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
  }
  const costs = operations.map((operation) => costOfOperation(asked.schema, operation, fragments, asked.variables));
  return Math.max(0, ...costs);
}

const rowCost = 0.1;
const listCost = 1;
/**
 * Items of a list whose size nobody asked for: blocks of a pipeline, attempts of a block run, the block runs of a run. Such a
 * list may hold more, but most hold fewer, and what people write while they explore must not be refused for what might be.
 */
const itemsOfUnsizedList = 10;

function costOfOperation(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  given: Readonly<Record<string, unknown>>,
): number {
  const variables = withDefaults(operation, given);
  /** Per fragment and size of the page around it; a fragment that spreads itself costs nothing, and validation refuses it. */
  const known = new Map<string, number>();

  const ofFragment = (name: string, pageSize: number | null): number => {
    const key = `${name} ${pageSize}`;
    const cost = known.get(key);
    if (cost !== undefined) return cost;
    known.set(key, 0);
    const fragment = fragments.get(name);
    const found = fragment ? ofSelections(fragment.selectionSet, fragment.typeCondition.name.value, pageSize) : 0;
    known.set(key, found);
    return found;
  };

  const ofSelections = (selectionSet: SelectionSetNode, typeName: string, pageSize: number | null): number =>
    selectionSet.selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + ofField(selection, typeName, pageSize);
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum + ofFragment(selection.name.value, pageSize);
      return sum + ofSelections(selection.selectionSet, selection.typeCondition?.name.value ?? typeName, pageSize);
    }, 0);

  const ofField = (node: FieldNode, typeName: string, pageSize: number | null): number => {
    const type = schema.getType(typeName);
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined;
    if (!field) return 0;
    const named = getNamedType(field.type);
    const isList = isListType(getNullableType(field.type));
    const size = sizeAsked(node, field, variables);
    const items = isList ? (size ?? pageSize ?? unsized(field)) : 1;
    const inside = node.selectionSet ? ofSelections(node.selectionSet, named.name, isList ? null : size) : 0;
    const each = isCompositeType(named) ? rowCost : 0;
    return ownCost(field, size) + items * (each + inside);
  };

  const root = schema.getRootType(operation.operation);
  return root ? ofSelections(operation.selectionSet, root.name, null) : 0;
}

/** A field may know better how many it usually has (`typicalItems` of its extensions). */
function unsized(field: GraphQLField<unknown, unknown>): number {
  const { typicalItems } = field.extensions as { readonly typicalItems?: number };
  return typicalItems ?? itemsOfUnsizedList;
}

function ownCost(field: GraphQLField<unknown, unknown>, size: number | null): number {
  const { cost } = field.extensions as { readonly cost?: number };
  return cost ?? (size === null ? 0 : listCost);
}

/** How many items a field was asked for, by its page size or by a list of ids; null when it has neither. */
function sizeAsked(
  node: FieldNode,
  field: GraphQLField<unknown, unknown>,
  variables: Readonly<Record<string, unknown>>,
): number | null {
  const argument = (name: string): unknown => {
    const value = node.arguments?.find((one) => one.name.value === name)?.value;
    return value ? valueFromASTUntyped(value, variables) : undefined;
  };
  const ids = argument('ids') ?? idsOfSelection(argument('input'));
  if (Array.isArray(ids)) return ids.length;

  const paging = field.args.filter(({ name }) => name === 'first' || name === 'last');
  if (paging.length === 0) return null;
  const asked = paging.map(({ name }) => argument(name)).filter((value) => typeof value === 'number');
  return Math.max(0, ...(asked.length > 0 ? asked : [unsized(field)]));
}

function idsOfSelection(input: unknown): unknown {
  const selection = (input as { readonly selection?: { readonly ids?: unknown } } | null | undefined)?.selection;
  return selection?.ids;
}

function withDefaults(
  operation: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const defaults = (operation.variableDefinitions ?? []).flatMap(({ variable, defaultValue }) =>
    defaultValue ? [[variable.name.value, valueFromASTUntyped(defaultValue)] as const] : [],
  );
  return { ...Object.fromEntries(defaults), ...given };
}
