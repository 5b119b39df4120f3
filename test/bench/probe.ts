import pg from 'pg';

/** Measures what a commit costs at the moment. */
export type Probe = {
  /** Commits 200 single rows one after the other; milliseconds per commit. */
  readonly measure: () => Promise<number>;
  readonly close: () => Promise<void>;
};

const commits = 200;

/** Opens the probe on a database of its own. */
export async function openProbe(databaseUrl: string): Promise<Probe> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  await client.query('create table if not exists probe (id bigint generated always as identity primary key)');
  return {
    measure: async () => {
      await client.query('truncate probe');
      const started = performance.now();
      for (let i = 0; i < commits; i++) await client.query({ name: 'probe', text: 'insert into probe default values' });
      return (performance.now() - started) / commits;
    },
    close: () => client.end(),
  };
}
