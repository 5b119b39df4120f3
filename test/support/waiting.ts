import { setTimeout as pause } from 'node:timers/promises';

/** Waits for what no signal tells of, by looking again and again; rejects when it is not so within `ms`. Answers with what it saw. */
export async function until<Seen>(
  what: string,
  look: () => Seen | Promise<Seen>,
  ms = 20_000,
): Promise<Exclude<Seen, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen as Exclude<Seen, false | null | undefined | 0 | ''>;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await pause(20);
  }
}
