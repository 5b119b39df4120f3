// Makes every committed generated file anew, in memory, and names those that differ; for `npm run check`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generate } from '@graphql-codegen/cli';
import config from '../codegen.ts';
import { printedSchema } from '../src/graphql/print-schema.ts';
import { createSchema } from '../src/graphql/schema.ts';
import { lifecyclePage } from './lifecycle-page.ts';

type Generated = { readonly path: string; readonly content: string };

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const expected: readonly Generated[] = [
  { path: 'schema.graphql', content: printedSchema() },
  { path: 'docs/lifecycle.md', content: lifecyclePage(createSchema()) },
  ...(await typedDocuments()),
];
const stale = expected.filter(({ path, content }) => readOrEmpty(path) !== content);
for (const { path } of stale) console.log(`${path} is not what its source says now.`);
process.exitCode = stale.length === 0 ? 0 : 1;

/** What codegen would write; its header is added by a hook that runs only when it writes. */
async function typedDocuments(): Promise<readonly Generated[]> {
  const { hooks, ...rest } = config;
  const addHeader = hooks?.beforeOneFileWrite;
  if (typeof addHeader !== 'function') throw new Error('codegen.ts has no hook that adds the header.');
  const files: readonly { readonly filename: string; readonly content: string }[] = await generate(
    { ...rest, silent: true },
    false,
  );
  return files.map(({ filename, content }) => ({ path: filename, content: String(addHeader(filename, content)) }));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
