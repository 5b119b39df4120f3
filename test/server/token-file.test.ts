import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadOrCreateToken } from '../../src/server/token-file.ts';

async function dataDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-token-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

it('the first start makes a token of 256 bits that only its user can read, and every later start finds it', async () => {
  const dir = join(await dataDir(), 'not', 'there', 'yet');
  const token = await loadOrCreateToken(dir);
  expect(Buffer.from(token, 'base64url')).toHaveLength(32);
  expect((await stat(join(dir, 'admin-token'))).mode & 0o777).toBe(0o600);
  expect(await loadOrCreateToken(dir)).toBe(token);
});

it('two servers that start at once agree', async () => {
  const dir = await dataDir();
  const tokens = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateToken(dir)));
  expect(new Set(tokens).size).toBe(1);
});

it('a file that others could read is closed to them', async () => {
  const dir = await dataDir();
  await loadOrCreateToken(dir);
  await chmod(join(dir, 'admin-token'), 0o644);
  await loadOrCreateToken(dir);
  expect((await stat(join(dir, 'admin-token'))).mode & 0o777).toBe(0o600);
});

it.each(['', 'short', 'x'.repeat(43).replace('x', '!')])(
  'a damaged file ("%s") is named, not overwritten',
  async (content) => {
    const dir = await dataDir();
    const path = join(dir, 'admin-token');
    await writeFile(path, content);
    await expect(loadOrCreateToken(dir)).rejects.toThrow(`${path} does not hold a Penstock token`);
    expect(await readFile(path, 'utf8')).toBe(content);
  },
);

it('a directory in its place, or a place where nothing can be kept, is named with what to do', async () => {
  const dir = await dataDir();
  await mkdir(join(dir, 'admin-token'));
  await writeFile(join(dir, 'a-file'), '');
  for (const place of [dir, join(dir, 'a-file')])
    await expect(loadOrCreateToken(place)).rejects.toMatchObject({
      name: 'TokenFileError',
      message: expect.stringContaining(`can't be kept in ${place}/admin-token`),
    });
});
