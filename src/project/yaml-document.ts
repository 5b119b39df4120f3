import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  type ScalarTag,
  type Tags,
  visit,
  type YAMLError,
} from 'yaml';
import { Fields } from './fields.ts';
import type { Problems } from './problems.ts';

/**
 * Parses a yaml file whose top is a mapping; null, with the problem reported, when there is none to read.
 * Values are read as Python's yaml reads them (yes and off are booleans, a repeated key wins), except that dates stay text:
 * these files were written for Mage.
 */
export function parseYaml(text: string, problems: Problems): Fields | null {
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined) => (offset === undefined ? null : lines.linePos(offset).line);
  try {
    const document = parseDocument(text, {
      version: '1.1',
      customTags: pythonTags,
      merge: true,
      lineCounter: lines,
      prettyErrors: false,
      // Not "silent": then a second document would be left out without a word.
      logLevel: 'error',
    });
    if (reportSyntax(document, problems, lineAt)) return null;
    replaceUnstorable(document, problems, lineAt);
    const value: unknown = document.toJS();
    if (isMap(document.contents)) return new Fields(value, document.contents, { document, problems, lineAt });
    problems.error(
      lineAt(document.contents?.range?.[0]) ?? 1,
      value === null ? 'The file is empty. Write the keys that belong here, or delete it.' : notAMapping,
    );
  } catch (error) {
    // Deep nesting and alias bombs are thrown, not listed.
    problems.error(null, `It can't be read as yaml: ${messageOf(error)}. Simplify the file.`);
  }
  return null;
}

const notAMapping =
  'The file must hold "key: value" lines at its top, not a list or a text. Put the keys at the margin.';

/** True when the file can't be used. */
function reportSyntax(document: Document, problems: Problems, lineAt: LineAt): boolean {
  let broken = false;
  for (const error of document.errors) {
    const line = lineAt(error.pos[0]);
    if (error.code === 'DUPLICATE_KEY') {
      problems.warning(line, 'This key stands twice in one mapping, and only the last one counts. Remove the other.');
    } else if (!broken) {
      // What follows the first error is mostly its echo.
      problems.error(line, syntaxSentence(error));
      broken = true;
    }
  }
  return broken;
}

function syntaxSentence({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS')
    return 'The file holds several documents. Keep one: remove this "---" and what follows it.';
  // The parser calls itself for each level.
  if (/call stack/i.test(message)) return 'It is nested too deep to be read as yaml. Simplify the file.';
  return `It is not valid yaml: ${message}. Mend this line; quotes or indentation are usual causes.`;
}

/** JSON knows no NaN and Postgres no NUL: a single such value must not keep the whole project from being stored. */
function replaceUnstorable(document: Document, problems: Problems, lineAt: LineAt): void {
  visit(document, {
    Scalar(_, node) {
      const { value } = node;
      if (typeof value === 'number' && !Number.isFinite(value)) node.value = null;
      if (typeof value !== 'string' || (!value.includes('\0') && value.isWellFormed())) return;
      node.value = value.replaceAll('\0', '\uFFFD').toWellFormed();
      problems.error(
        lineAt(node.range?.[0]),
        'This text holds a character that can not be stored. Remove \\0 and lone surrogates.',
      );
    },
  });
}

const pythonBoolean: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:bool',
  test: /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
  resolve: (text) => /^(?:yes|true|on)$/i.test(text),
  identify: (value) => typeof value === 'boolean',
  stringify: (item) => String(isScalar(item) ? item.value : item),
};

/** With a digit and a point, and a sign in the exponent: `e1`, `1e3` and a lone point are texts. */
const pythonFloat: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:float',
  test: /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$/,
  resolve: (text) => Number.parseFloat(text.replaceAll('_', '')),
};

/** The library's: only infinity and what is no number. */
function isOtherFloat(tag: ScalarTag): boolean {
  return tag.tag === 'tag:yaml.org,2002:float' && !tag.test?.test('.nan') && tag.format !== 'TIME';
}

const leftOut = new Set(
  ['bool', 'timestamp', 'binary', 'omap', 'pairs', 'set'].map((name) => `tag:yaml.org,2002:${name}`),
);

function pythonTags(tags: Tags): Tags {
  const kept = tags.filter(
    (tag) => typeof tag === 'string' || !(leftOut.has(tag.tag) || isOtherFloat(tag as ScalarTag)),
  );
  return [pythonBoolean, pythonFloat, ...kept];
}

type LineAt = (offset: number | undefined) => number | null;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
