/**
 * The rooms of src/ and what each may import. ARCHITECTURE.md tells the reasons; `npm run check` and
 * test/architecture.test.ts hold the code to it.
 */
import { posix } from 'node:path';
import type { SourceFile } from './source-files.ts';

/** What the API may read through: no file among these changes a row. */
const storeReads = [
  'store/list-',
  'store/blocker-facts.ts',
  'store/server-state.ts',
  'store/database.ts',
  'store/definitions.ts',
  'store/keyset.ts',
  'store/text-criteria.ts',
] as const;

/**
 * A room (a folder or a file of src/) → what it may import besides itself: rooms, or beginnings of paths in them.
 * A room that is not here doesn't exist: a file in it is a finding.
 */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  project: ['domain'],
  store: ['domain', 'generated/prisma'],
  engine: ['domain', 'store'],
  events: ['domain', 'store'],
  outputs: ['domain'],
  scheduler: ['domain', 'engine', 'project', 'store'],
  worker: ['domain', 'engine', 'outputs', 'store', 'block.ts'],
  graphql: ['domain', 'engine', 'events', 'outputs', 'generated/prisma', 'generated/pothos-types.ts', ...storeReads],
  server: ['graphql'],
  client: ['generated/graphql'],
  cli: ['app', 'client', 'config.ts', 'generated/graphql', '../package.json'],
  app: [
    ...['domain', 'project', 'store', 'engine', 'events', 'outputs', 'scheduler', 'worker', 'graphql', 'server'],
    ...['config.ts', '../package.json'],
  ],
  'config.ts': ['store/connection.ts'],
  'block.ts': [],
  'generated/graphql': [],
  'generated/prisma': [],
  'generated/pothos-types.ts': ['generated/prisma'],
};

/** The packages that a room may import, where that is limited; domain has one pure guest. */
const packages: Readonly<Record<string, readonly string[]>> = {
  domain: ['croner'],
  'block.ts': [],
  'generated/graphql': ['@graphql-typed-document-node/core'],
};

/** Doors through which runs move, and the one room that may open each: a change is one verb. */
const doors: readonly { readonly name: string; readonly file: string; readonly room: string }[] = [
  { name: 'createRun', file: 'store/pipeline-runs.ts', room: 'engine' },
  { name: 'startRuns', file: 'store/pipeline-runs.ts', room: 'engine' },
  { name: 'applyRunPlan', file: 'store/run-plans.ts', room: 'engine' },
  { name: 'applyRunPlans', file: 'store/run-plans.ts', room: 'engine' },
  { name: 'cancelWholeRuns', file: 'store/whole-runs.ts', room: 'engine' },
  { name: 'retryWholeRuns', file: 'store/whole-runs.ts', room: 'engine' },
  { name: 'step', file: 'store/step.ts', room: 'worker' },
  { name: 'completeAndFollow', file: 'store/complete-and-follow.ts', room: 'worker' },
];

/** Text that a room must not hold. */
const bans: readonly { readonly rooms: (room: string) => boolean; readonly pattern: RegExp; readonly why: string }[] = [
  {
    rooms: (room) => room === 'domain' || room === 'engine',
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\brandomUUID\b/g,
    why: 'time, ids and chance come in as arguments here',
  },
  {
    // SQL, and Prisma's verbs. So a status, above all, is written in the store alone.
    rooms: (room) => room !== 'store' && !room.startsWith('generated/'),
    pattern:
      /\bupdate\s+\w+(\s+(as\s+)?\w+)?\s+set\b|\bset\s+status\s*=|\binsert\s+into\b|\bdelete\s+from\b|\bprisma\.\w+\.(create|update|upsert|delete)\w*\(/gi,
    why: 'only src/store and the migrations write rows',
  },
];

type Import = {
  /** A package's name, or a path from src/. */
  readonly target: string;
  readonly isPackage: boolean;
  readonly names: string;
  readonly line: number;
};

/** Everything in src/ that breaks a rule, each as a sentence that begins with file and line. */
export function forbiddenImports(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const room = roomOf(file.path);
    if (room === null) return [`src/${file.path}:1: belongs to no room; scripts/import-rules.ts lists them`];
    const imports = importsOf(file);
    return [
      ...imports
        .filter((entry) => !mayImport(room, entry))
        .map(({ target, line }) => `src/${file.path}:${line}: ${room} must not import ${target}`),
      ...openedDoors(file, room, imports),
      ...bannedText(file, room),
    ];
  });
}

/** The room of a path from src/; null when there is none. */
export function roomOf(path: string): string | null {
  return Object.keys(rooms).find((room) => path === room || path.startsWith(`${room}/`)) ?? null;
}

const importPattern =
  /\b(?:import|export)\s+(?:type\s+)?(?<names>[\w*\s{},]+?)\s+from\s+'(?<from>[^'\n]+)'|\bimport\s*\(?\s*'(?<bare>[^'\n]+)'|\bnew\s+URL\(\s*'(?<url>\.[^'\n]+\.ts)'/g;

/** What a file imports or starts by its address, as in `new URL('./beat-thread.ts', import.meta.url)`. */
function importsOf({ path, text }: SourceFile): readonly Import[] {
  const code = text.replace(/\/\*\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
  return [...code.matchAll(importPattern)].map((match) => {
    const { names = '', from, bare, url } = match.groups ?? {};
    const target = from ?? bare ?? url ?? '';
    const isPackage = !target.startsWith('.');
    return {
      target: isPackage ? target : posix.join(posix.dirname(path), target),
      isPackage,
      names,
      line: lineAt(text, match.index),
    };
  });
}

function mayImport(room: string, { target, isPackage }: Import): boolean {
  if (isPackage) return packages[room]?.includes(target) ?? true;
  const other = roomOf(target);
  if (other === room) return true;
  return (rooms[room] ?? []).some((allowed) => (allowed in rooms ? allowed === other : target.startsWith(allowed)));
}

function openedDoors(file: SourceFile, room: string, imports: readonly Import[]): readonly string[] {
  return imports.flatMap(({ target, names, line }) =>
    doors
      .filter((door) => door.file === target && door.room !== room && new RegExp(`\\b${door.name}\\b`).test(names))
      .map((door) => `src/${file.path}:${line}: only ${door.room} may call ${door.name}`),
  );
}

function bannedText({ path, text }: SourceFile, room: string): readonly string[] {
  return bans
    .filter((ban) => ban.rooms(room))
    .flatMap(({ pattern, why }) =>
      [...text.matchAll(pattern)].map((match) => `src/${path}:${lineAt(text, match.index)}: ${match[0]}: ${why}`),
    );
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
