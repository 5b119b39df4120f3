import { resolve } from 'node:path';
import { z } from 'zod';
import type { ConnectionSettings } from './store/connection.ts';

export const roles = ['api', 'scheduler', 'worker'] as const;
export type Role = (typeof roles)[number];

/** Everything that a server process is told from outside, checked once and believed afterwards. */
export type Config = {
  readonly projectDir: string;
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** null: the embedded Postgres in `dataDir`. */
  readonly databaseUrl: string | null;
  readonly roles: ReadonlySet<Role>;
  readonly auth: boolean;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Worker slots; null: the project's queue_config.concurrency, else cores × 2. */
  readonly slots: number | null;
  /** The label whose blocks this process' worker takes. */
  readonly label: string;
  /** How long SIGTERM waits for running blocks, in seconds. */
  readonly drainSeconds: number;
  /** From SIGTERM to SIGKILL for a block whose run is cancelled, in seconds. */
  readonly graceSeconds: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** The variable `env` of runs. */
  readonly env: string;
};

/** Every problem of the configuration at once, each a sentence that names the flag and its environment variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** One setting: its flag, and what must be true of the text that it is given. */
type Setting = { readonly flag: string; readonly schema: z.ZodType };

const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${from} to ${to}`)
    .transform(Number)
    .refine((n) => n >= from && n <= to, `must be a whole number from ${from} to ${to}`);
/** A day at most: timers of more than 24 days would go off at once. */
const seconds = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'must be a number of seconds from 0 to 86400')
  .transform(Number)
  .refine((n) => n <= 86_400, 'must be a number of seconds from 0 to 86400');
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const settings = {
  host: { flag: '--host', schema: z.string().min(1, 'must name an address') },
  port: { flag: '--port', schema: wholeNumber(0, 65535) },
  dataDir: { flag: '--data-dir', schema: z.string().min(1, 'must name a directory') },
  databaseUrl: {
    flag: '--database-url',
    schema: z
      .string()
      .refine(
        isPostgresUrl,
        'must look like postgres://user:password@host:5432/database, with special characters written as %40 and the like',
      ),
  },
  role: {
    flag: '--role',
    schema: list.refine(
      (names) => names.length > 0 && names.every((name) => name === 'all' || roles.includes(name as Role)),
      `must be all, or some of ${roles.join(', ')} separated by commas`,
    ),
  },
  noAuth: {
    flag: '--no-auth',
    schema: z.enum(['true', 'false', '1', '0'], 'must be true or false').transform((v) => v === 'true' || v === '1'),
  },
  allowedHosts: { flag: '--allowed-hosts', schema: list },
  allowedOrigins: { flag: '--allowed-origins', schema: list },
  slots: { flag: '--slots', schema: wholeNumber(1, 1000) },
  label: {
    flag: '--label',
    schema: z.string().regex(/^[\w.-]{1,64}$/, 'must be 1–64 letters, digits, dots or dashes'),
  },
  drain: { flag: '--drain', schema: seconds },
  grace: { flag: '--grace', schema: seconds },
  logLevel: {
    flag: '--log-level',
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent'], 'must be debug, info, warn, error or silent'),
  },
} as const satisfies Record<string, Setting>;

type SettingName = keyof typeof settings;
type Settings = { [Name in SettingName]: z.output<(typeof settings)[Name]['schema']> };

/** The environment variable of a setting: PENSTOCK_DATA_DIR for --data-dir. */
export function environmentName(flag: string): string {
  return `PENSTOCK_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`;
}

/** Reads flags over environment variables over defaults. Throws ConfigError with every problem that there is. */
export function readConfig(
  projectDir: string,
  flags: Readonly<Partial<Record<SettingName, string>>>,
  environment: NodeJS.ProcessEnv,
): Config {
  const given: Partial<Settings> = {};
  const problems: string[] = [];
  for (const name of Object.keys(settings) as SettingName[]) {
    const { flag, schema } = settings[name];
    const fromEnvironment = environment[environmentName(flag)];
    const text = flags[name] ?? (fromEnvironment === '' ? undefined : fromEnvironment);
    if (text === undefined) continue;
    const parsed = schema.safeParse(text);
    if (parsed.success) Object.assign(given, { [name]: parsed.data });
    else
      problems.push(
        `${flags[name] === undefined ? environmentName(flag) : flag} ${parsed.error.issues[0]?.message}, not "${shown(name, text)}".`,
      );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const names = given.role ?? ['all'];
  return Object.freeze({
    projectDir: resolve(projectDir),
    host: given.host ?? '127.0.0.1',
    port: given.port ?? 4800,
    dataDir: resolve(given.dataDir ?? '.penstock'),
    databaseUrl: given.databaseUrl ?? null,
    roles: new Set(names.includes('all') ? roles : (names as Role[])),
    auth: !(given.noAuth ?? false),
    allowedHosts: given.allowedHosts ?? [],
    allowedOrigins: given.allowedOrigins ?? [],
    slots: given.slots ?? null,
    label: given.label ?? 'default',
    drainSeconds: given.drain ?? 30,
    graceSeconds: given.grace ?? 10,
    logLevel: given.logLevel ?? 'warn',
    env: environment.ENV || 'prod',
  });
}

/** Turns a postgres:// URL into connection settings. */
export function parseDatabaseUrl(text: string): ConnectionSettings {
  const url = new URL(text);
  return {
    host: url.searchParams.get('host') ?? decodeURIComponent(url.hostname || 'localhost'),
    port: Number(url.port || url.searchParams.get('port') || 5432),
    user: decodeURIComponent(url.username || 'postgres'),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1) || 'postgres'),
    ssl: sslOf(url.searchParams.get('sslmode')),
  };
}

/** As libpq understands it: `require` encrypts, `verify-ca` and `verify-full` also check whose server it is. */
function sslOf(mode: string | null): ConnectionSettings['ssl'] {
  if (mode === 'verify-ca' || mode === 'verify-full') return true;
  return mode === 'require' ? { rejectUnauthorized: false } : false;
}

function isPostgresUrl(text: string): boolean {
  if (!/^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? '')) return false;
  try {
    return parseDatabaseUrl(text).port > 0;
  } catch {
    // A % that stands for nothing.
    return false;
  }
}

/** A database URL may hold a password: it is never repeated. */
function shown(name: SettingName, text: string): string {
  return name === 'databaseUrl' ? '…' : text;
}
