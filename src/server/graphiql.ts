import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { firstTabs } from './graphiql-tabs.ts';

/** A file of GraphiQL, compressed once. */
type Asset = { readonly type: string; readonly gzipped: Buffer };
type GraphiQL = { readonly page: string; readonly assets: ReadonlyMap<string, Asset> };

/**
 * Serves GraphiQL from this process alone: nothing is loaded from a CDN. The bundle comes as one HTML page with everything inline; it is served in pieces
 * instead, so that the page's policy can forbid inline scripts, and so that a browser keeps the nine megabytes.
 */
export function createGraphiQL() {
  let loading: Promise<GraphiQL> | null = null;
  const load = () => {
    // At the first visit: most servers are never asked, and the bundle is large.
    loading ??= loadGraphiQL();
    return loading;
  };

  return {
    async answerPage(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const { page } = await load();
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': contentSecurityPolicy(request.headers.host ?? ''),
      });
      response.end(page);
    },

    /** False when there is no such asset. */
    async answerAsset(path: string, response: ServerResponse): Promise<boolean> {
      const asset = (await load()).assets.get(path);
      if (!asset) return false;
      response.writeHead(200, {
        'content-type': asset.type,
        'content-encoding': 'gzip',
        // The path holds a hash of the content.
        'cache-control': 'public, max-age=31536000, immutable',
      });
      response.end(asset.gzipped);
      return true;
    },
  };
}

/** Styles stay inline because the editor computes them as it runs; scripts do not. `'self'` doesn't cover `ws:` in every browser. */
function contentSecurityPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    `connect-src 'self' ws://${host} wss://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

async function loadGraphiQL(): Promise<GraphiQL> {
  const bundle = await import('@graphql-yoga/render-graphiql/graphiql');
  const script = 'text/javascript; charset=utf-8';
  const files = {
    'style.css': { type: 'text/css; charset=utf-8', text: bundle.css },
    'graphiql.js': { type: script, text: bundle.js },
    'editor.worker.js': { type: script, text: bundle.editorWorkerService },
    'json.worker.js': { type: script, text: bundle.jsonWorker },
    'graphql.worker.js': { type: script, text: bundle.graphqlWorker },
    'start.js': { type: script, text: startScript },
    'icon.svg': { type: 'image/svg+xml', text: icon },
  };

  const assets = new Map<string, Asset>();
  const paths: Record<string, string> = {};
  for (const [name, { type, text }] of Object.entries(files)) {
    // The start script names the others, so its own text has to know where they are.
    const content = name === 'start.js' ? text(paths) : text;
    const path = `/graphiql/${hashOf(content)}/${name}`;
    paths[name] = path;
    assets.set(path, { type, gzipped: await promisify(gzip)(content) });
  }
  return { page: pageWith(paths), assets };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function pageWith(paths: Readonly<Record<string, string>>): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Penstock · GraphiQL</title>
    <link rel="icon" href="${paths['icon.svg']}" />
    <link rel="stylesheet" href="${paths['style.css']}" />
  </head>
  <body id="body" class="no-focus-outline">
    <noscript>GraphiQL needs JavaScript.</noscript>
    <div id="root"></div>
    <script src="${paths['graphiql.js']}"></script>
    <script src="${paths['start.js']}"></script>
  </body>
</html>
`;
}

function startScript(paths: Readonly<Record<string, string>>): string {
  const workers = {
    editorWorkerService: paths['editor.worker.js'],
    json: paths['json.worker.js'],
    graphql: paths['graphql.worker.js'],
  };
  const options = {
    title: 'Penstock',
    endpoint: '/graphql',
    credentials: 'same-origin',
    subscriptionsProtocol: 'WS',
    defaultTabs: firstTabs,
    inputValueDeprecation: true,
    schemaDescription: true,
  };
  return `const workers = ${JSON.stringify(workers)};
self.MonacoEnvironment = { globalAPI: false, getWorkerUrl: (_, label) => workers[label] };
YogaGraphiQL.renderYogaGraphiQL(document.querySelector('#root'), ${JSON.stringify(options)});
`;
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5cad"/><path d="M6 9h9c5 0 5 14 11 14" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/></svg>
`;
