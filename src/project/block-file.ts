import type { BlockLanguage, BlockType } from '../domain/pipeline.ts';
import type { TextFiles } from './text-files.ts';

/** What decides where a block's code lies. */
export type BlockPlace = {
  readonly uuid: string;
  readonly type: BlockType;
  readonly language: BlockLanguage;
  /** `configuration.file_source.path`, `configuration.file_path`: as written, in this order. */
  readonly configuredPaths: readonly string[];
};

export type BlockFile =
  | { readonly kind: 'found'; readonly path: string; readonly code: string }
  | { readonly kind: 'none'; readonly message: string };

const extensions: Readonly<Record<BlockLanguage, readonly string[]>> = {
  python: ['py'],
  typescript: ['ts', 'mts'],
  javascript: ['js', 'mjs'],
  sql: ['sql'],
  shell: ['sh'],
  r: ['r', 'R'],
  yaml: ['yaml', 'yml'],
  markdown: ['md'],
  other: [],
};

const languageOfExtension: Readonly<Record<string, BlockLanguage>> = {
  py: 'python',
  ts: 'typescript',
  mts: 'typescript',
  js: 'javascript',
  mjs: 'javascript',
  sql: 'sql',
  sh: 'shell',
};

/** The language that a file's ending shows; null when it shows none. */
export function languageOfFile(path: string): BlockLanguage | null {
  return languageOfExtension[path.slice(path.lastIndexOf('.') + 1)] ?? null;
}

/** The folder of a block type: its name and an "s", except custom and dbt. */
function folderOf(type: BlockType): string {
  return type === 'custom' || type === 'dbt' ? type : `${type}s`;
}

/** Finds a block's code: the first of its possible places where there is a file of the project. */
export async function findBlockFile(place: BlockPlace, projectName: string, files: TextFiles): Promise<BlockFile> {
  const paths = possiblePaths(place, projectName);
  const complaints: string[] = [];
  for (const path of paths) {
    const file = await files.read(path);
    if (file.kind === 'text') return { kind: 'found', path, code: file.text };
    if (file.kind === 'unusable') complaints.push(`${path} ${file.why}`);
  }
  const remedy = 'Put the code there, or name its file in configuration.file_source.path.';
  if (complaints.length > 0) {
    return {
      kind: 'none',
      message: `Block "${place.uuid}" has no code that can be used: ${complaints.join('; ')}. ${remedy}`,
    };
  }
  const other = await inAnotherLanguage(place, files);
  const expected = paths[0] ?? `a file in ${folderOf(place.type)}/`;
  return {
    kind: 'none',
    message: `The code of block "${place.uuid}" is missing: there is no ${expected}. ${other ?? remedy}`,
  };
}

function possiblePaths(place: BlockPlace, projectName: string): readonly string[] {
  const configured = place.configuredPaths.map(normalize).flatMap((path) => {
    // Mage also writes paths that start at the project's parent.
    const inProject = path.startsWith(`${projectName}/`) ? [path.slice(projectName.length + 1)] : [];
    return [path, ...inProject];
  });
  const usual = extensions[place.language].map((ending) => usualPath(place, ending));
  return [...new Set([...configured, ...usual])];
}

function usualPath(place: BlockPlace, ending: string): string {
  return `${folderOf(place.type)}/${normalize(place.uuid)}.${ending}`;
}

/** Projects edited on Windows carry backslashes. */
function normalize(path: string): string {
  return path.replaceAll('\\', '/').replace(/^\.\//, '');
}

async function inAnotherLanguage(place: BlockPlace, files: TextFiles): Promise<string | null> {
  for (const [ending, language] of Object.entries(languageOfExtension)) {
    if (language === place.language) continue;
    const path = usualPath(place, ending);
    if ((await files.read(path)).kind === 'text') return `There is ${path}: set "language: ${language}" to run it.`;
  }
  return null;
}
