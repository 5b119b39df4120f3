import type { ServerResponse } from 'node:http';

/** `/health/live`: the process answers. */
export function answerLive(response: ServerResponse): void {
  answer(response, 200, 'live');
}

/** `/health/ready`: 200 while new work is welcome, 503 once the server is draining, so that a balancer looks elsewhere. */
export function answerReady(response: ServerResponse, isDraining: boolean): void {
  if (isDraining) answer(response, 503, 'draining');
  else answer(response, 200, 'ready');
}

function answer(response: ServerResponse, status: number, word: string): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`{"status":"${word}"}\n`);
}
