import type { Command } from 'commander';
import { type Client, createClient } from '../client/client.ts';
import { ConfigError } from '../config.ts';
import { readServerFile } from './server-file.ts';

/** Where the server is and how to get in, as a person or the environment says it. */
export type ConnectOptions = { readonly url?: string; readonly token?: string; readonly dataDir?: string };

/** Thrown when nothing says where the server is. */
class NoServerError extends Error {
  override readonly name = 'NoServerError';
}

/** The flags of every command that talks to a server. */
export function addConnectOptions(command: Command): Command {
  return command
    .option('--url <url>', 'where the server is (default: the server of the data directory) [PENSTOCK_URL]')
    .option('--token <token>', 'who you are (default: the token of the data directory) [PENSTOCK_TOKEN]')
    .option('--data-dir <dir>', 'data directory of a server on this machine (default .penstock) [PENSTOCK_DATA_DIR]');
}

/** Connects as the flags, then the environment, then the data directory's server.json say. Throws NoServerError or ConfigError. */
export function connect(options: ConnectOptions, environment: NodeJS.ProcessEnv): Client {
  const dataDir = options.dataDir ?? environment.PENSTOCK_DATA_DIR ?? '.penstock';
  const local = readServerFile(dataDir);
  const url = options.url ?? environment.PENSTOCK_URL ?? local?.url;
  if (url === undefined) {
    throw new NoServerError(
      `No server is running on ${dataDir} (there is no ${dataDir}/server.json). Start one with \`penstock serve\`, or say where it is with --url.`,
    );
  }
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    const name = options.url === undefined ? 'PENSTOCK_URL' : '--url';
    throw new ConfigError([`${name} must look like http://127.0.0.1:4800, not "${url}".`]);
  }
  const token = options.token ?? environment.PENSTOCK_TOKEN ?? (url === local?.url ? local.token : null);
  return createClient({ url, token });
}
