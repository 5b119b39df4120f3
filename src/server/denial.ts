import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Why a request goes no further: an HTTP status, a code for programs and a sentence for people. */
export type Denial = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** The JSON of a denial: GraphQL's own error shape, so that one piece of client code reads every refusal of this server. */
function denialBody(denial: Denial): string {
  return `${JSON.stringify({ errors: [{ message: denial.message, extensions: { code: denial.code } }] })}\n`;
}

/** Answers an HTTP request with a denial. */
export function deny(response: ServerResponse, denial: Denial): void {
  const body = denialBody(denial);
  response.writeHead(denial.status, {
    ...denial.headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}

/** Answers an upgrade with a denial: there is no ServerResponse yet, only the bare connection, which ends here. */
export function denyUpgrade(socket: Duplex, denial: Denial): void {
  const body = denialBody(denial);
  const headers = {
    ...denial.headers,
    connection: 'close',
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // Destroyed after the answer is out: a client that half-closes could otherwise keep the socket for ever.
  socket.end(`HTTP/1.1 ${denial.status} Refused\r\n${lines.join('')}\r\n${body}`, () => socket.destroy());
}
