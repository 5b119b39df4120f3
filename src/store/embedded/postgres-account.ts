import { execFile } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataDirectoryError } from './data-directory-error.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

const run = promisify(execFile);

/** How to start a Postgres program: as whom, and through what. */
export type Launcher = {
  /** Turns a program and its arguments into what is really spawned. */
  readonly command: (program: string, args: readonly string[]) => readonly [string, readonly string[]];
  /** For `spawn`, where the command itself does not change the user. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
};

type Account = { readonly uid: number; readonly gid: number };

/**
 * Decides who runs Postgres on `cluster` (a directory that exists) and makes the directory theirs. That is ourselves, except
 * when we are root, which Postgres refuses: then it is the directory's owner, or else the OS user `postgres`.
 */
export async function chooseLauncher(binaries: PostgresBinaries, cluster: string): Promise<Launcher> {
  const account = process.getuid?.() === 0 ? await accountFor(cluster) : undefined;
  if (account === undefined) refuseStrangersDirectory(cluster);
  else handOver(cluster, account);
  closeToOthers(cluster);

  const tries =
    account === undefined
      ? [[dieWithUs]]
      : [
          [...become(account), dieWithUs],
          [...become(account), ...passAnyDirectory, dieWithUs],
        ];
  for (const flags of tries) {
    const launcher = throughSetpriv(flags);
    if (await reaches(launcher, binaries, cluster)) return launcher;
  }
  // No setpriv (macOS), or an old one, or a container without capabilities.
  const plain: Launcher = { command: (program, args) => [program, args], identity: account ?? {} };
  if (account === undefined || (await reaches(plain, binaries, cluster))) return plain;
  throw new DataDirectoryError(
    'no_account',
    cluster,
    `Postgres does not run as root, and the OS user with id ${account.uid} that would run it can't get to ${cluster} or to ${binaries.postgres}. Start Penstock as an ordinary user, move the folder to where that user may go (not below /root), or give --database-url.`,
  );
}

/** Postgres gets a fast shutdown when this process is gone, however it went. Bound to the thread that spawns: the main one. */
const dieWithUs = '--pdeathsig=INT';

/**
 * Lets Postgres through directories that only root may enter, such as /root or one made by `mktemp -d`. Works with the
 * capabilities that Docker leaves to root. The secure bit is for access(2), with which Postgres looks for its own
 * program: without it that call leaves the capability out of account.
 */
const passAnyDirectory = [
  '--securebits=+no_setuid_fixup',
  '--inh-caps=-all,+dac_override',
  '--ambient-caps=-all,+dac_override',
];

function become({ uid, gid }: Account): readonly string[] {
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

function throughSetpriv(flags: readonly string[]): Launcher {
  return { command: (program, args) => ['setpriv', [...flags, '--', program, ...args]], identity: {} };
}

async function reaches(launcher: Launcher, binaries: PostgresBinaries, cluster: string): Promise<boolean> {
  const [file, args] = launcher.command('/bin/sh', [
    '-c',
    'cd "$1" && exec "$0" --version',
    binaries.postgres,
    cluster,
  ]);
  return run(file, args, { ...launcher.identity, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

async function accountFor(cluster: string): Promise<Account> {
  const owner = statSync(cluster);
  if (owner.uid !== 0) return owner;
  const existing = await findAccount('postgres');
  if (existing !== undefined) return existing;
  try {
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']);
  } catch (cause) {
    throw new DataDirectoryError(
      'no_account',
      cluster,
      'Postgres does not run as root, and no OS user "postgres" could be made for it. Make one, start Penstock as an ordinary user, or give --database-url.',
      { cause },
    );
  }
  return (await findAccount('postgres'))!;
}

async function findAccount(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
    );
    return { uid: uid!, gid: gid! };
  } catch {
    return undefined;
  }
}

function handOver(path: string, account: Account): void {
  if (statSync(path).uid === account.uid) return;
  try {
    chownAll(path, account);
  } catch (cause) {
    throw new DataDirectoryError(
      'no_account',
      path,
      `Postgres does not run as root, and this root has no right to give ${path} to another OS user. Start Penstock as an ordinary user (in a container: docker run --user), or give --database-url.`,
      { cause },
    );
  }
}

/** Copies and restores widen modes, and Postgres refuses what others may write or look into. */
function closeToOthers(cluster: string): void {
  if ((statSync(cluster).mode & 0o027) !== 0) chmodSync(cluster, 0o700);
}

function chownAll(path: string, account: Account): void {
  // The directory itself comes last: while it is root's, the next start knows that this is not done.
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    chownUnlessLink(join(entry.parentPath, entry.name), account);
  }
  chownSync(path, account.uid, account.gid);
}

function chownUnlessLink(path: string, { uid, gid }: Account): void {
  if (!lstatSync(path).isSymbolicLink()) chownSync(path, uid, gid);
}

function refuseStrangersDirectory(cluster: string): void {
  const owner = statSync(cluster).uid;
  if (owner === process.getuid?.()) return;
  throw new DataDirectoryError(
    'not_writable',
    cluster,
    `The database in ${cluster} belongs to another OS user (id ${owner}); an earlier start was probably made as root or by somebody else. Start Penstock as it was started then, or give the directory to this user: chown -R ${accountName()} ${cluster}`,
  );
}

/** The name of the OS user that we are. Throws DataDirectoryError when it has none: initdb asks for it. */
export function accountName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    const uid = process.getuid?.();
    throw new DataDirectoryError(
      'no_account',
      '',
      `Postgres can't run as user id ${uid}, because that id has no name on this machine. Add it to /etc/passwd (in a container: run as an existing user), or give --database-url.`,
      { cause },
    );
  }
}
