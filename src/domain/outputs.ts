import type { Json } from './pipeline.ts';

export type OutputKind = 'table' | 'json' | 'text' | 'image' | 'binary';

/**
 * What is known of one stored output without opening it. The data lies in `<outputs root>/<path>/`, beside a
 * `meta.json` with these same facts. The path carries the fence, so a lost worker's output is never read as the winner's.
 */
export type OutputManifest = {
  /** output_0, output_1, … in the order in which the block gave them. */
  readonly name: string;
  readonly kind: OutputKind;
  /** `<run id>/<block uuid, made safe for a path>/<fence>/<name>`, relative to the outputs root. */
  readonly path: string;
  /** The data file inside `path`: data.json, data.jsonl, data.parquet, data.txt, data.pickle … */
  readonly file: string;
  /** How the data file is written. 'pickle' is for Python-to-Python only. */
  readonly format: 'json' | 'jsonl' | 'parquet' | 'csv' | 'text' | 'binary' | 'pickle' | 'image';
  /** Which Python type comes back: 'pandas', 'polars', 'series', null for plain values. */
  readonly pythonType: string | null;
  readonly mimeType: string | null;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rowCount: number | null;
  readonly columnCount: number | null;
  readonly sizeBytes: number;
  /**
   * Of a small JSON value (≤ 4 KB): the value itself, so that a downstream block and a page need no file. Of a table: its rows,
   * as objects. When `format` is 'json' the file may then not exist.
   */
  readonly inline?: Json;
  /** Of a binary value: its repr, cut at 2,000 characters. */
  readonly repr?: string;
};

export type BlockTestResult = { readonly name: string; readonly passed: boolean; readonly message: string | null };
