import type { DefinitionProblem } from '../domain/pipeline.ts';

/** Collects what is wrong in one file. Every message says what is wrong and then what would be right. */
export type Problems = {
  readonly file: string;
  readonly error: (line: number | null, message: string) => void;
  readonly warning: (line: number | null, message: string) => void;
};

/** A collector for `file` (relative to the project) that appends to `found`. */
export function problemsOf(file: string, found: DefinitionProblem[]): Problems {
  const add = (severity: DefinitionProblem['severity']) => (line: number | null, message: string) => {
    found.push({ severity, file, line, message });
  };
  return { file, error: add('error'), warning: add('warning') };
}
