/** Where the database is. `host` may be a directory: then it is a Unix socket. */
export type ConnectionSettings = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Whether the connection is encrypted: true also checks the server's certificate. */
  readonly ssl: boolean | { readonly rejectUnauthorized: boolean };
};
