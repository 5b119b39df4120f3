/** Why a database can't be brought to the schema of this program. */
export type MigrationProblem =
  | 'database_is_newer'
  | 'another_program'
  | 'edited_after_applying'
  | 'left_unfinished'
  | 'failed';

/** Thrown by migrate. The message says what happened and what to do; `cause` is Postgres' error, when it is one. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly problem: MigrationProblem;
  /** The name of the migration's folder. */
  readonly migration: string;

  constructor(problem: MigrationProblem, migration: string, cause?: unknown) {
    super(sentence(problem, migration, cause), { cause });
    this.problem = problem;
    this.migration = migration;
  }
}

function sentence(problem: MigrationProblem, migration: string, cause: unknown): string {
  switch (problem) {
    case 'database_is_newer':
      return `The database has the migration ${migration}, which this Penstock does not know: a newer version has been at work there. Start that version, or restore a backup from before it.`;
    case 'another_program':
      return `The database belongs to another program: its migrations (such as ${migration}) are not Penstock's. Nothing was touched. Name an empty database for Penstock.`;
    case 'edited_after_applying':
      return `The file prisma/migrations/${migration}/migration.sql is not what this database has applied. Put it back as it was, and make the change a migration of its own.`;
    case 'left_unfinished':
      return `The migration ${migration} was begun by Prisma's command line and has not ended. Wait for it, or if it has failed: look at what it left and say so with "prisma migrate resolve".`;
    case 'failed':
      return `The migration ${migration} failed and was undone: ${postgresSaid(cause)}. The database is as it was before; mend what Postgres says, and start again.`;
  }
}

function postgresSaid(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { position } = cause as { position?: string };
  return position === undefined ? cause.message : `${cause.message} (at character ${position})`;
}
