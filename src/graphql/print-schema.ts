import { writeFileSync } from 'node:fs';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { createSchema } from './schema.ts';

/** Where the printed schema is kept; a test fails when it is stale. */
export const schemaFile = new URL('../../schema.graphql', import.meta.url);

const header = `# The public API of Penstock. Printed from the code by \`npm run generate\`; don't edit.\n\n`;

/** The schema as text, the same for the same schema. */
export function printedSchema(): string {
  return `${header}${printSchema(lexicographicSortSchema(createSchema()))}\n`;
}

if (import.meta.main) writeFileSync(schemaFile, printedSchema());
