/**
 * The little that the peers' programs use of packages which only `npm run bench` installs, so that the type check is the same
 * with and without them. Taken from graphile-worker 0.18.0, @restatedev/restate-sdk 1.17.2, @dbos-inc/dbos-sdk 5.3.0 and
 * pg-boss 12.38.0.
 */
declare module 'graphile-worker' {
  export class Logger {
    constructor(logFactory: () => () => void);
  }
  export type AddJob = (identifier: string, payload: unknown) => Promise<unknown>;
  export type Runner = { readonly addJob: AddJob; readonly stop: () => Promise<void> };
  export function run(options: {
    readonly preset: {
      readonly worker: {
        readonly connectionString: string;
      };
    };
    readonly logger: Logger;
    readonly noHandleSignals: boolean;
    readonly taskList: Readonly<
      Record<string, (payload: unknown, helpers: { readonly addJob: AddJob }) => Promise<void>>
    >;
  }): Promise<Runner>;
}

declare module '@restatedev/restate-sdk' {
  export type Context = { readonly run: (name: string, action: () => void) => Promise<void> };
  export type ServiceDefinition = { readonly name: string };
  export function service(definition: {
    readonly name: string;
    readonly handlers: Readonly<Record<string, (context: Context, input: number) => Promise<number>>>;
  }): ServiceDefinition;
  export function serve(options: {
    readonly services: readonly ServiceDefinition[];
    readonly port: number;
    readonly logger: () => void;
  }): Promise<number>;
}

declare module '@dbos-inc/dbos-sdk' {
  export const DBOS: {
    readonly registerWorkflow: (workflow: () => Promise<void>, options: { readonly name: string }) => void;
    readonly setConfig: (config: {
      readonly name: string;
      readonly systemDatabaseUrl: string;
      readonly systemDatabasePoolSize: number;
      readonly logLevel: string;
    }) => void;
    readonly launch: () => Promise<void>;
    readonly registerQueue: (
      name: string,
      options: { readonly workerConcurrency: number; readonly minPollingIntervalMs: number },
    ) => Promise<unknown>;
    readonly shutdown: () => Promise<void>;
  };
}

declare module 'pg-boss' {
  export class PgBoss {
    constructor(options: {
      readonly connectionString: string;
      readonly supervise?: boolean;
      readonly schedule?: boolean;
      readonly superviseIntervalSeconds?: number;
      readonly monitorIntervalSeconds?: number;
    });
    readonly on: (event: 'error', listener: (error: Error) => void) => void;
    readonly start: () => Promise<unknown>;
    readonly stop: (options: { readonly graceful: boolean }) => Promise<void>;
    readonly createQueue: (
      name: string,
      options: { readonly heartbeatSeconds: number; readonly retryLimit: number; readonly retryDelay: number },
    ) => Promise<void>;
    readonly send: (name: string, data: object) => Promise<string | null>;
    readonly work: (
      name: string,
      options: { readonly localConcurrency: number; readonly pollingIntervalSeconds: number },
      handler: (jobs: readonly { readonly id: string }[]) => Promise<void>,
    ) => Promise<string>;
  }
}
