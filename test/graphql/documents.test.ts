import { readFileSync } from 'node:fs';
import { generate } from '@graphql-codegen/cli';
import { expect, test } from 'vitest';
import config from '../../codegen.ts';

test('the generated documents are those of schema.graphql and src/client; if not, run `npm run generate`', async () => {
  const { hooks: _, ...generates } = config;
  const files = (await generate({ ...generates, silent: true }, false)) as { filename: string; content: string }[];
  expect(files.length).toBeGreaterThan(0);
  for (const { filename, content } of files) {
    const [header, ...rest] = readFileSync(filename, 'utf8').split('\n');
    expect(header).toMatch(/Generated/);
    expect(rest.join('\n')).toBe(content);
  }
});
