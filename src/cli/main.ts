#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Node keeps what it has compiled, and the next start takes half of the time. It must be on before anything of ours is read, so
// that is read only then. Where the folder can't be written, nothing is kept.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/penstock'));
await import('./program.ts');
