import { InvalidArgumentError } from 'commander';

/** Reads one `--var name=value`. The value is JSON where it is JSON (`3`, `true`, `{"a": 1}`), else the text itself. */
export function collectVariable(text: string, before: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as name=value.');
  return { ...before, [text.slice(0, at)]: readValue(text.slice(at + 1)) };
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
