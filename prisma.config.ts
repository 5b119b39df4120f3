import { defineConfig } from 'prisma/config';

// Only `prisma generate` reads this file. Migrations are applied by src/store/migrate.ts at start, without Prisma's CLI.
export default defineConfig({ schema: 'prisma/schema.prisma' });
