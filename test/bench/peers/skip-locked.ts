import pg from 'pg';
import type { Figures } from '../benchmark.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { servePeer } from './serve-peer.ts';

/**
 * The bare limit of a queue in Postgres: ten connections, each claims one item with SKIP LOCKED and completes it, two
 * statements and two commits an item, until nothing is left. Nothing runs between claim and completion. The clock starts
 * before the items are put into the table, in one statement.
 */
const connections = 10;

/** The columns that a block run can't do without; the index is what the claim needs and no more. */
const schema = `
  create table item (
    id bigint generated always as identity primary key,
    run_id bigint not null,
    status text not null default 'queued',
    label text not null default '',
    prio integer not null default 0,
    attempt integer not null default 0,
    fence integer not null default 0,
    worker_id bigint,
    queued_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz
  );
  create index item_queued on item (label, prio, id) where status = 'queued'`;

const claim = {
  name: 'claim',
  text: `
    update item
    set status = 'running', attempt = attempt + 1, fence = fence + 1, worker_id = $1, started_at = now()
    where id = (
      select id from item where status = 'queued' and label = '' order by prio, id limit 1 for update skip locked
    )
    returning id, fence`,
};

const complete = {
  name: 'complete',
  text: `
    update item set status = 'completed', completed_at = now()
    where id = $1 and fence = $2 and status = 'running'`,
};

type Claimed = { readonly id: string; readonly fence: number };

async function start(settings: PeerSettings): Promise<Peer> {
  const clients = Array.from({ length: connections }, () => new pg.Client(settings.databaseUrl));
  await Promise.all(clients.map((client) => client.connect()));
  const [first] = clients;
  await first!.query(schema);

  const measure = async (): Promise<Figures> => {
    await first!.query('truncate item');
    const started = performance.now();
    await first!.query('insert into item (run_id) select 1 from generate_series(1, $1::int)', [settings.size]);
    const counts = await Promise.all(clients.map(drain));
    const wallMs = performance.now() - started;
    const done = counts.reduce((sum, count) => sum + count, 0);
    if (done !== settings.size) throw new Error(`${done} of ${settings.size} items were completed.`);
    return { value: done / (wallMs / 1000), operations: done, raw: { wallMs } };
  };
  for (let i = 0; i < settings.warmUps; i++) await measure();
  return {
    measure,
    stop: async () => {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

/** Claims and completes until a claim finds nothing; how many were completed. */
async function drain(client: pg.Client, worker: number): Promise<number> {
  for (let done = 0; ; ) {
    const claimed = await client.query<Claimed>({ ...claim, values: [worker] });
    const item = claimed.rows[0];
    if (item === undefined) return done;
    const completed = await client.query({ ...complete, values: [item.id, item.fence] });
    done += completed.rowCount ?? 0;
  }
}

await servePeer(start);
