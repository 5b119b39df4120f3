import { isIPv4, isIPv6 } from 'node:net';

/** Names by which a request may call us, and pages that may talk to us. Exact strings: no suffixes, no patterns. */
export type AllowList = {
  /** Whether a Host header is one of ours. This stops DNS rebinding: a page at attacker.example that resolves to 127.0.0.1 still says its own name. */
  readonly allowsHost: (host: string | undefined) => boolean;
  /** Whether an Origin header is one of ours. */
  readonly allowsOrigin: (origin: string) => boolean;
  /** Whether an Origin is the very page that was loaded from this Host: what a cookie needs. */
  readonly isSameOrigin: (origin: string | undefined, host: string | undefined) => boolean;
};

/** The allow-list of a server on `host`:`port`. Configured hosts may name a port (`penstock.example:8443`) or leave it to be ours or the scheme's. */
export function createAllowList(options: {
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}): AllowList {
  const own = ['127.0.0.1', 'localhost', '[::1]', ...literalAddress(options.host)];
  const hosts = new Set<string>();
  const origins = new Set<string>(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const admit = (authority: string, schemes: readonly string[]) => {
    hosts.add(authority);
    for (const scheme of schemes) origins.add(`${scheme}://${authority}`);
  };

  for (const name of own) {
    admit(`${name}:${options.port}`, ['http']);
    if (options.port === 80) admit(name, ['http']);
  }
  for (const configured of options.allowedHosts.map((name) => name.toLowerCase())) {
    // A proxy in front of us may speak https, so both schemes of a configured name are its own origin.
    admit(configured, ['http', 'https']);
    if (!/:\d+$/.test(configured)) admit(`${configured}:${options.port}`, ['http', 'https']);
  }

  return {
    allowsHost: (host) => host !== undefined && hosts.has(host.toLowerCase()),
    allowsOrigin: (origin) => origins.has(origin),
    isSameOrigin: (origin, host) =>
      origin !== undefined && host !== undefined && origins.has(origin) && origin.replace(/^https?:\/\//, '') === host,
  };
}

/** Whether a bind address can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/** How an address is written in a URL: IPv6 in brackets. */
export function authorityOf(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The bind address itself, when it is one that a client could type: a rebinding attacker can't own an address, only a name. */
function literalAddress(host: string): readonly string[] {
  if (host === '0.0.0.0' || host === '::') return [];
  if (isIPv4(host)) return [host];
  return isIPv6(host) ? [`[${host.toLowerCase()}]`] : [];
}
