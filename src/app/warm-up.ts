import type pg from 'pg';
import { rehearse } from '../worker/rehearse.ts';

/** What the first callers are likely to ask: a list through Prisma, and a mutation that is refused before it changes anything. */
const documents = [
  '{ viewer { name } pipelines(first: 1) { nodes { uuid lastRun { id } } } pipelineRuns(first: 1) { nodes { id blockRuns { nodes { id } } } } }',
  'mutation { triggerPipelineRun(input: {pipelineUuid: ""}) { __typename ... on UserError { message } } }',
];

/**
 * Asks the server once what others will ask, so that the first of them doesn't wait a third of a second for code to be compiled
 * and connections to be opened. Never rejects: a server that can't answer this will say so to its callers.
 */
export async function warmUp(
  pool: pg.Pool,
  now: Date,
  { url, token }: { readonly url: string; readonly token: string | null },
): Promise<void> {
  const client = await pool.connect();
  await rehearse(client, now).catch(() => {});
  client.release();
  for (const query of documents) {
    await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query }),
    })
      .then((response) => response.arrayBuffer())
      .catch(() => {});
  }
}
