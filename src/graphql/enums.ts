type EnumValues<Value extends string> = { [V in Value as Uppercase<V>]: { value: V; description: string } };

/**
 * Values of a GraphQL enum from the words of the domain: `block_run` in our tables is `BLOCK_RUN` in the API. Every word
 * needs its description.
 */
export function enumValues<const Value extends string>(
  words: readonly Value[],
  descriptions: Record<Value, string>,
): EnumValues<Value> {
  const entries = words.map((value) => [value.toUpperCase(), { value, description: descriptions[value] }]);
  return Object.fromEntries(entries) as EnumValues<Value>;
}
