import type { JsonObject } from '../domain/pipeline.ts';
import { mask, secretValues } from '../domain/variables.ts';
import type { AttemptOutcome, Executor, LogEntry } from './executor.ts';

/**
 * An executor whose blocks get the secrets of their run, and whose log lines and errors don't tell them: where a block prints the value of
 * a secret variable, the mask stands. Outputs are data and stay as they are.
 */
export function hideSecrets(executor: Executor): Executor {
  return {
    ...executor,
    run(task, sink, answer, go) {
      const hide = hiderOf(task.variables);
      if (hide === null) return executor.run(task, sink, answer, go);
      const hiding = (entry: LogEntry) => sink({ ...entry, message: hide(entry.message) });
      const running = executor.run(task, hiding, answer, go);
      return { ...running, outcome: running.outcome.then((outcome) => hidden(outcome, hide)) };
    },
  };
}

type Hide = (text: string) => string;

/** Remembered: the blocks of a run share their variables. */
const hiders = new WeakMap<JsonObject, Hide | null>();

/** Replaces every secret in a text; null when the run has none. */
function hiderOf(variables: JsonObject): Hide | null {
  const known = hiders.get(variables);
  if (known !== undefined) return known;
  const secrets = secretValues(variables);
  const hide = secrets.length === 0 ? null : (text: string) => secrets.reduce(without, text);
  hiders.set(variables, hide);
  return hide;
}

function without(text: string, secret: string): string {
  return text.replaceAll(secret, mask);
}

function hidden(outcome: AttemptOutcome, hide: Hide): AttemptOutcome {
  const tests = outcome.tests.map((test) => ({ ...test, message: test.message && hide(test.message) }));
  if (outcome.status === 'process_died') return { ...outcome, tests, message: hide(outcome.message) };
  if (outcome.status !== 'failed') return { ...outcome, tests };
  const { type, message, stackTrace } = outcome.error;
  return { ...outcome, tests, error: { type, message: hide(message), stackTrace: stackTrace && hide(stackTrace) } };
}
