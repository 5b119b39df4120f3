/** A server process for embedded-postgres.test.ts to kill: starts Postgres on the given directory and says so. */
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';

const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? '' });
process.send?.({ connection: postgres.connection, postmasterPid: postgres.postmasterPid });
process.on('disconnect', () => postgres.stop());
