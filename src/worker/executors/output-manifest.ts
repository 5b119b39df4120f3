import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputManifest } from '../../domain/outputs.ts';

/** Where one output is stored: `path` below the outputs' root, which is `folder`. */
export type OutputPlace = { readonly name: string; readonly path: string; readonly folder: string };

/** What is the same for every output until more is known of it: JSON in a file. */
export function plainManifest({ name, path }: Pick<OutputPlace, 'name' | 'path'>): OutputManifest {
  return {
    name,
    kind: 'json',
    path,
    file: 'data.json',
    format: 'json',
    pythonType: null,
    mimeType: null,
    columns: [],
    rowCount: null,
    columnCount: null,
    sizeBytes: 0,
  };
}

/** Writes meta.json, after everything else: without it a folder is not an output. */
export function writeMeta({ folder }: Pick<OutputPlace, 'folder'>, manifest: OutputManifest): OutputManifest {
  writeFileSync(join(folder, 'meta.json'), JSON.stringify(manifest));
  return manifest;
}
