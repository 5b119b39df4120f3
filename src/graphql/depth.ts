import { type DocumentNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';

/**
 * How many fields deep the deepest operation goes, fragments included. A fragment is measured once, however often it is
 * spread; one that spreads itself counts as nothing here, and validation refuses it.
 */
export function documentDepth(document: DocumentNode, options: { readonly introspectionIsFree: boolean }): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, number>();

  const ofFragment = (name: string): number => {
    const known = measured.get(name);
    if (known !== undefined) return known;
    measured.set(name, 0);
    const fragment = fragments.get(name);
    const depth = fragment ? ofSelections(fragment.selectionSet) : 0;
    measured.set(name, depth);
    return depth;
  };

  const ofSelections = (selectionSet: SelectionSetNode): number => {
    let deepest = 0;
    for (const selection of selectionSet.selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) deepest = Math.max(deepest, ofFragment(selection.name.value));
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        deepest = Math.max(deepest, ofSelections(selection.selectionSet));
      else if (!(options.introspectionIsFree && isIntrospection(selection.name.value))) {
        deepest = Math.max(deepest, 1 + (selection.selectionSet ? ofSelections(selection.selectionSet) : 0));
      }
    }
    return deepest;
  };

  return document.definitions.reduce(
    (deepest, definition) =>
      definition.kind === Kind.OPERATION_DEFINITION
        ? Math.max(deepest, ofSelections(definition.selectionSet))
        : deepest,
    0,
  );
}

/** graphql-js has a rule of its own against introspection that nests its lists. */
function isIntrospection(fieldName: string): boolean {
  return fieldName === '__schema' || fieldName === '__type';
}
