// Makes what is generated: after every install Prisma's client; with --all also schema.graphql, the typed documents and
// docs/lifecycle.md, which are committed.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Prisma wants to download an engine that `generate` does not use; naming any file keeps it from asking.
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1' },
  });
}

run('prisma', 'generate');
if (process.argv.includes('--all')) {
  run(process.execPath, 'src/graphql/print-schema.ts');
  run('graphql-codegen');
  run(process.execPath, 'scripts/print-lifecycle.ts');
}
