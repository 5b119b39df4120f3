import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests that start a crowd of processes and put a load on all of them: they run after the others, one at a time. */
const crowds = ['chaos', 'pause', 'postgres-down', 'broken-fence'].map((name) => `test/chaos/${name}.test.ts`);

export default defineConfig({
  resolve: {
    // graphql ships itself twice (index.js, index.mjs). Node loads the first everywhere; Vite would load the second for our own files,
    // and then an error made by one copy is no GraphQLError to the other.
    alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }],
  },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'suite',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...crowds],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'crowds', include: [...crowds], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
