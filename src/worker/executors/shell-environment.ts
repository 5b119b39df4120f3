import type { JsonObject } from '../../domain/pipeline.ts';
import { storableText } from './log-lines.ts';

/**
 * The run's variables as environment variables: `VAR_` and the name in capitals, every other character than A–Z, 0–9 and _
 * replaced by _. A string is itself, anything else its JSON. Of two names that come to the same, the first counts.
 */
export function variablesAsEnvironment(variables: JsonObject): { readonly [name: string]: string } {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    const safe = `VAR_${name.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_')}`;
    environment[safe] ??= storableText(typeof value === 'string' ? value : JSON.stringify(value));
  }
  return environment;
}
