import type { IncomingMessage } from 'node:http';
import type { Denial } from './denial.ts';

/**
 * Refuses a request at `/graphql` by its method and headers, before its body is read. Only JSON by POST: the other types that Yoga and HTML forms
 * know are exactly those that any page can send without asking (CSRF).
 */
export function refuseBody(request: IncomingMessage, maxBytes: number): Denial | null {
  if (request.method === 'GET')
    return request.headers['content-type'] === undefined || isUtf8Json(request.headers['content-type'])
      ? null
      : notJson;
  if (request.method !== 'POST') return wrongMethod;
  if (!isUtf8Json(request.headers['content-type'])) return notJson;
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') return compressed;
  return Number(request.headers['content-length'] ?? 0) > maxBytes ? tooLarge(maxBytes) : null;
}

function isUtf8Json(contentType: string | undefined): boolean {
  const [type, ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  return (
    type === 'application/json' &&
    parameters.every((parameter) => !parameter.startsWith('charset=') || /^charset="?utf-?8"?$/.test(parameter))
  );
}

const wrongMethod: Denial = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'GraphQL is spoken by POST, or by GET for queries and event streams.',
  headers: { allow: 'GET, POST' },
};
const notJson: Denial = {
  status: 415,
  code: 'UNSUPPORTED_MEDIA_TYPE',
  message: 'Send the operation as JSON: `content-type: application/json`, in UTF-8.',
};
const compressed: Denial = {
  status: 415,
  code: 'UNSUPPORTED_MEDIA_TYPE',
  message: 'Send the operation uncompressed.',
};
function tooLarge(maxBytes: number): Denial {
  return {
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    message: `An operation may be ${maxBytes / 1024} KB large, not more. Data belongs in files or tables, not in variables.`,
    headers: { connection: 'close' },
  };
}
