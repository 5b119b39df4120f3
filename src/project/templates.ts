import nunjucks from 'nunjucks';
import type { JsonObject } from '../domain/pipeline.ts';
import type { Problems } from './problems.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the jinja of a file can refer to. */
export type TemplateNames = { readonly env: Environment; readonly variables: JsonObject };

/**
 * Renders the jinja of a configuration file: `env_var`, `variables`, `mage_secret_var`. A name that is not there becomes empty
 * text and a warning, and text that is no template stays as it is: a single unset variable must never cost the whole file.
 * Lines keep their numbers.
 */
export function renderTemplate(text: string, names: TemplateNames, problems: Problems): string {
  if (!/\{[{%#]/.test(text)) return text;
  // Commented-out examples are common in these files; they want neither values nor warnings.
  const source = text.replaceAll(/^[ \t]*#.*\{[{%#].*$/gm, '#');
  const warned = new Set<string>();
  const unknown = (name: string, message: string) => {
    if (!warned.has(message)) problems.warning(lineHolding(source, name), message);
    warned.add(message);
    return '';
  };

  const environmentVariable = (name: unknown, otherwise?: unknown) =>
    names.env[String(name)] ??
    otherwise ??
    unknown(String(name), `The environment variable ${name} is not set; it is read as empty. Set it before starting.`);
  const known: Readonly<Record<string, unknown>> = {
    env_var: environmentVariable,
    variables: (name: unknown) =>
      Object.hasOwn(names.variables, String(name))
        ? names.variables[String(name)]
        : unknown(
            String(name),
            `There is no variable ${name} here; it is read as empty. Add it to the pipeline's variables.`,
          ),
    // Mage keeps secrets in its own database; here they come from the environment.
    mage_secret_var: (name: unknown) =>
      names.env[String(name)] ??
      unknown(
        String(name),
        `There is no secret ${name}; it is read as empty. Set an environment variable of that name.`,
      ),
  };

  const environment = new nunjucks.Environment(null, { autoescape: false });
  (environment as unknown as { globals: object }).globals = new Proxy(known, {
    has: (_, name) => typeof name === 'string',
    get: (_, name) => (Object.hasOwn(known, name) ? known[String(name)] : emptyValue(String(name), unknown)),
  });
  try {
    return environment.renderString(source, {});
  } catch (error) {
    const { message, line } = templateError(error);
    problems.warning(line, `Its {{ … }} could not be filled in and stay as they are: ${message}. Mend the template.`);
    return text;
  }
}

/** Stands for an unknown name, whether it is printed or called. */
function emptyValue(name: string, unknown: (name: string, message: string) => string): unknown {
  const warn = () =>
    unknown(
      name,
      `"${name}" is not known in a template here; it is read as empty. Known: env_var, variables, mage_secret_var.`,
    );
  return Object.assign(warn, { toString: warn });
}

function lineHolding(text: string, name: string): number | null {
  const index = text.split('\n').findIndex((line) => /\{[{%]/.test(line) && line.includes(name));
  return index < 0 ? null : index + 1;
}

function templateError(error: unknown): { readonly message: string; readonly line: number | null } {
  const text = error instanceof Error ? error.message : String(error);
  const line = /\[Line (\d+)/.exec(text)?.[1];
  const message =
    text
      .split('\n')
      .at(-1)
      ?.trim()
      .replace(/^(Template render error|Error): */, '') ?? text;
  return { message: message.replace(/\.$/, ''), line: line === undefined ? null : Number(line) };
}
