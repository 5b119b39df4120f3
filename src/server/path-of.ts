import type { IncomingMessage } from 'node:http';

/** The path of a request without its query. Null for the other forms that HTTP allows (absolute URLs, `*`): nobody needs them here. */
export function pathOf(request: IncomingMessage): string | null {
  const target = request.url ?? '';
  return target.startsWith('/') ? (target.split('?', 1)[0] ?? null) : null;
}

/** The query parameters of a request. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  const target = request.url ?? '';
  const cut = target.indexOf('?');
  return new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1));
}
