// Writes docs/lifecycle.md from the tables in src/domain/lifecycle.ts.
import { writeFileSync } from 'node:fs';
import { createSchema } from '../src/graphql/schema.ts';
import { lifecyclePage } from './lifecycle-page.ts';

writeFileSync(new URL('../docs/lifecycle.md', import.meta.url), lifecyclePage(createSchema()));
