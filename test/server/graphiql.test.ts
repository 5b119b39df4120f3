import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLiveFeed } from './support/live-feed.ts';
import { startReal } from './support/real-server.ts';
import { startSample } from './support/sample-server.ts';

/** The distribution's browser: none can be downloaded by a test. */
const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

it('the page is served from here alone, under a policy that forbids inline scripts', async () => {
  const { url, access } = await startSample();
  const login = await fetch(`${url}/login?code=${access.newLoginCode()}`, { redirect: 'manual' });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const response = await fetch(`${url}/graphiql`, { headers: { cookie } });
  expect(response.headers.get('content-security-policy')).toMatch(/script-src 'self';/);
  const page = await response.text();
  expect(page).not.toMatch(/https?:\/\//);
  expect(page.match(/<script(?! src=)/)).toBeNull();
  const paths = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path);
  expect(paths).toHaveLength(4);
  for (const path of paths) {
    const asset = await fetch(url + path, { headers: { cookie } });
    expect([path, asset.status]).toEqual([path, 200]);
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect(asset.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await asset.text()).length).toBeGreaterThan(100);
  }
});

async function openBrowser(): Promise<{
  page: Page;
  complaints: string[];
  foreign: string[];
  own: (url: string) => void;
}> {
  const browser: Browser = await chromium.launch({
    executablePath: browserPath ?? '',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  onTestFinished(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1400, height: 800 } });
  const complaints: string[] = [];
  const requests: string[] = [];
  const foreign: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  const own = (url: string) => {
    foreign.push(
      ...requests.filter(
        (request) => !request.startsWith(url) && !request.startsWith('data:') && !request.startsWith('blob:'),
      ),
    );
  };
  return { page, complaints, foreign, own };
}

/**
 * Goes to a tab and runs it until the answer holds `expected`. More than once, because GraphiQL drops a click on a tab while it still stores the last
 * answer, and takes a moment to notice that the document is another one: nothing on the page tells when.
 */
async function runTab(page: Page, name: string, expected: string): Promise<void> {
  const tab = page.getByRole('tab', { name });
  const run = page.getByRole('button', { name: /Execute query/ });
  const answer = page.locator('.result-window');
  const tryOnce = async () => {
    if ((await tab.getAttribute('aria-selected')) !== 'true') await tab.click();
    else if (await run.isVisible()) await run.click();
    return answer.textContent();
  };
  await expect.poll(tryOnce, { timeout: 20_000, interval: 400 }).toContain(expected);
}

describe.skipIf(!browserPath)('in a real browser, signed in by the printed address', { timeout: 60_000 }, () => {
  it('its tabs look, act and follow runs live, and nothing is asked of anybody else', async () => {
    const feed = createLiveFeed();
    const { url, access } = await startReal(feed);
    const { page, complaints, foreign, own } = await openBrowser();
    await page.goto(`${url}/login?code=${access.newLoginCode()}`);
    await runTab(page, 'RecentRuns', '"pipelineRuns"');
    await runTab(page, 'StartRun', '"NOT_FOUND"');
    await runTab(page, 'Follow', '"Subscribed"');
    await feed.untilOpen(1);
    feed.happen({ toStatus: 'completed', fromStatus: 'running' });
    await expect.poll(() => page.locator('.result-window').textContent()).toContain('"COMPLETED"');

    await page.close();
    await feed.untilOpen(0);
    own(url);
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
