import type pg from 'pg';

/** One row as Postgres wrote it: a text per column, null for null. */
export type RawRow = readonly (string | null)[];

type Settled = {
  readonly resolve: (rows: readonly RawRow[]) => void;
  readonly reject: (error: Error) => void;
  readonly early: ((row: RawRow) => void) | undefined;
};

/** What pg tells a query of our own (its `Submittable`, which pg-cursor uses too), as far as we use it. */
type Wire = {
  readonly stream: { cork: () => void; uncork: () => void };
  readonly parsedStatements: Readonly<Record<string, unknown>>;
  readonly parse: (message: { readonly name: string; readonly text: string }) => void;
  readonly bind: (message: { readonly statement: string; readonly values: readonly (string | null)[] }) => void;
  readonly execute: (message: object) => void;
  readonly flush: () => void;
  readonly sync: () => void;
};

/**
 * Runs one named statement, for those that run thousands of times a second and know their columns: rows come as they are written, nobody
 * asks Postgres to describe them, and no result object is made. About 25 µs cheaper for this process than `client.query`, and 5 µs for
 * Postgres. Rejects with the error of the statement or of the connection.
 *
 * `early` is told of each row when it is known, which is before it is durable: Postgres sends rows, then commits, which takes as long again as
 * many a statement. What it makes ready meanwhile has to be undone when the promise rejects.
 */
export function runHotStatement(
  client: pg.ClientBase,
  statement: { readonly name: string; readonly text: string },
  values: readonly (string | null)[],
  early?: (row: RawRow) => void,
): Promise<readonly RawRow[]> {
  return new Promise((resolve, reject) => {
    client.query(new HotStatement(statement, values, { resolve, reject, early }) as unknown as pg.Submittable);
  });
}

class HotStatement {
  readonly name: string;
  readonly text: string;
  readonly #values: readonly (string | null)[];
  readonly #settled: Settled;
  readonly #rows: RawRow[] = [];
  /** Thrown by who was told early: pg must not see it, it would end the process. */
  #mistake: Error | null = null;

  constructor(
    statement: { readonly name: string; readonly text: string },
    values: readonly (string | null)[],
    settled: Settled,
  ) {
    this.name = statement.name;
    this.text = statement.text;
    this.#values = values;
    this.#settled = settled;
  }

  submit(wire: Wire): void {
    // One write for all of it.
    wire.stream.cork();
    if (wire.parsedStatements[this.name] === undefined) wire.parse({ name: this.name, text: this.text });
    wire.bind({ statement: this.name, values: this.#values });
    wire.execute({});
    if (this.#settled.early) wire.flush();
    wire.sync();
    wire.stream.uncork();
  }

  handleDataRow(message: { readonly fields: RawRow }): void {
    this.#rows.push(message.fields);
    try {
      this.#settled.early?.(message.fields);
    } catch (error) {
      this.#mistake ??= error as Error;
    }
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.#mistake) this.#settled.reject(this.#mistake);
    else this.#settled.resolve(this.#rows);
  }

  handleError(error: Error): void {
    this.#settled.reject(error);
  }
}
