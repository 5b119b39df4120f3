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
  const assets = new Map<string, Asset>();
  // The path holds a hash of the content, so a browser may keep the file for ever.
  const add = async (name: string, type: string, text: string): Promise<string> => {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    const path = `/graphiql/${hash}/${name}`;
    assets.set(path, { type, gzipped: await promisify(gzip)(text) });
    return path;
  };
  const script = 'text/javascript; charset=utf-8';
  const workers = {
    editorWorkerService: await add('editor.worker.js', script, bundle.editorWorkerService),
    json: await add('json.worker.js', script, bundle.jsonWorker),
    graphql: await add('graphql.worker.js', script, bundle.graphqlWorker),
  };
  const page = pageWith({
    icon: await add('icon.svg', 'image/svg+xml', icon),
    style: await add('style.css', 'text/css; charset=utf-8', bundle.css),
    graphiql: await add('graphiql.js', script, bundle.js),
    start: await add('start.js', script, startScript(workers)),
  });
  return { page, assets };
}

type PageParts = { readonly icon: string; readonly style: string; readonly graphiql: string; readonly start: string };

function pageWith(paths: PageParts): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Penstock · GraphiQL</title>
    <link rel="icon" href="${paths.icon}" />
    <link rel="stylesheet" href="${paths.style}" />
  </head>
  <body id="body" class="no-focus-outline">
    <noscript>GraphiQL needs JavaScript.</noscript>
    <div id="root"></div>
    <script src="${paths.graphiql}"></script>
    <script src="${paths.start}"></script>
  </body>
</html>
`;
}

function startScript(workers: Readonly<Record<string, string>>): string {
  const options = {
    title: 'Penstock',
    logo: icon,
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

const icon = `<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5cad"/><path d="M6 9h9c5 0 5 14 11 14" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/></svg>
`;
