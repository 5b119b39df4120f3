import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/waiting.ts';
import { isAlive } from './living.ts';
import { messages, openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

const one = '@custom\ndef f(): return 1';

describe('an attempt gets a process that nobody has used', () => {
  test('whatever the attempts before have left in theirs', async () => {
    const code = `import json, os, sys, threading
@custom
def f():
    seen = [os.environ.get('LEFT'), getattr(json, 'left', None), 'left' in sys.modules, os.getcwd(), threading.active_count()]
    os.environ['LEFT'] = json.left = 'something'
    sys.modules['left'] = json
    os.chdir('/')
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return repr(seen), os.getpid()`;
    const outcomes = [];
    for (let attempt = 0; attempt < 6; attempt += 1) outcomes.push(values((await house.run(code)).outcome));
    const expected = repr(['None', 'None', 'False', `'${house.projectDir.replace(/\/project$/, '')}'`, '1']);
    expect(outcomes.map(([seen]) => seen)).toEqual(outcomes.map(() => expected));
    expect(new Set(outcomes.map(([, pid]) => pid)).size).toBe(outcomes.length);
  });

  test('with an environment that shows nothing of how Python was started', async () => {
    const { outcome } = await house.run(
      `import os, subprocess\n@custom\ndef f():\n    return 'LD_BIND_NOW' in os.environ, subprocess.check_output(['env']).decode()`,
    );
    expect(values(outcome)[0]).toBe(false);
    expect(values(outcome)[1]).not.toContain('LD_BIND_NOW');
  });

  test('with random numbers of its own, in forks of its own too', async () => {
    const code = `import os, random
@custom
def f():
    told, tell = os.pipe()
    if os.fork() == 0:
        os.write(tell, str(random.random()).encode())
        os._exit(0)
    os.wait()
    return [str(random.random()), os.read(told, 100).decode()]`;
    const drawn = [];
    for (let attempt = 0; attempt < 4; attempt += 1) drawn.push(...values((await house.run(code)).outcome));
    expect(new Set(drawn).size).toBe(8);
  });

  test('whose main thread knows itself', async () => {
    const { outcome } = await house.run(`import os, threading
@custom
def f():
    main = threading.main_thread()
    return [main is threading.current_thread(), main.native_id == threading.get_native_id() == os.getpid()]`);
    expect(values(outcome)).toEqual([true, true]);
  });

  test('in which a fork of its own finds no lock held by a thread that is not there', async () => {
    const { outcome } = await house.run(`import logging, os, signal, threading
@custom
def f():
    handler = logging.StreamHandler()
    logging.getLogger('mine').addHandler(handler)
    held, done = threading.Event(), threading.Event()
    def hold():
        with handler.lock:
            held.set()
            done.wait()
    threading.Thread(target=hold).start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        logging.getLogger('mine').warning('from the fork')
        os._exit(threading.active_count())
    status = os.waitpid(child, 0)[1]
    done.set()
    return status >> 8, status & 127`);
    expect(values(outcome)).toEqual([1, 0]);
  });

  test('and what it wants done at its exit is done', async () => {
    const { outcome, logs } = await house.run(`import atexit, logging.handlers, tempfile, weakref
class Thing: pass
thing = Thing()
memory = logging.handlers.MemoryHandler(100, target=logging.getLogger().handlers[0])
@custom
def f():
    memory.buffer.append(logging.makeLogRecord({'msg': 'kept until the end', 'levelno': logging.INFO}))
    weakref.finalize(thing, print, 'finalized')
    atexit.register(print, 'at exit')
    return 1`);
    expect(values(outcome)).toEqual([1]);
    expect([...messages(logs, 'stdout')].sort()).toEqual(['at exit', 'finalized']);
    expect(messages(logs, 'logger')).toEqual(['kept until the end']);
  });
});

describe('a process that waits for an attempt', () => {
  test('and is killed before it has read its task loses no attempt', async () => {
    await house.executor.warm(2);
    const waiting = await waitingProcesses();
    signal(waiting, 'SIGSTOP');
    const attempt = house.run(one);
    // One of the stopped ones has the task by now: the first that is taken is given it at once.
    signal(waiting, 'SIGKILL');
    expect(values((await attempt).outcome)).toEqual([1]);
  });

  test('and is killed after the attempt was told to stop is not replaced for it', async () => {
    await house.executor.warm(2);
    const waiting = await waitingProcesses();
    signal(waiting, 'SIGSTOP');
    const attempt = house.start(one);
    attempt.running.stop(60_000);
    signal(waiting, 'SIGKILL');
    expect((await attempt.running.outcome).status).toBe('stopped');
    expect(values((await house.run(one)).outcome)).toEqual([1]);
  });

  test('ends with the executor', async () => {
    const other = await openPythonHouse();
    await other.executor.warm(2);
    const waiting = await waitingProcesses(other);
    expect(waiting.length).toBeGreaterThanOrEqual(2);
    await other.close();
    expect(waiting.filter(isAlive)).toEqual([]);
  });

  test('runs the source as it is when the attempt starts', async () => {
    await house.executor.warm(2);
    const outcomes = [];
    for (const version of [1, 2, 3, 4]) {
      outcomes.push(values((await house.run(`@custom\ndef f(): return ${version}`)).outcome)[0]);
    }
    expect(outcomes).toEqual([1, 2, 3, 4]);
  });
});

describe('the standard library', () => {
  test('is imported ahead as far as blocks need it', async () => {
    const code = `import sys\nseen = 'decimal' in sys.modules\nimport decimal\n@custom\ndef f(): return seen`;
    expect(values((await house.run(code)).outcome)).toEqual([false]);
    await until('decimal is there before a block imports it', async () => values((await house.run(code)).outcome)[0]);
  });

  test('is imported ahead also while blocks come without a pause', async () => {
    const other = await openPythonHouse();
    const code = `import sys\nseen = 'uuid' in sys.modules\nimport uuid\n@custom\ndef f(): return seen`;
    await until('uuid is there before a block imports it', async () => {
      for (let attempt = 0; attempt < 50; attempt++) {
        if (values((await other.run(code)).outcome)[0]) return true;
      }
      return false;
    });
    await other.close();
  });

  test('is not hidden by a file of the project, whose code runs in no other process than a block of its own', async () => {
    const other = await openPythonHouse();
    const ran = join(other.projectDir, 'ran');
    await writeFile(join(other.projectDir, 'decimal.py'), `open(${JSON.stringify(ran)}, 'w').close()`);
    const { outcome } = await other.run('import decimal\n@custom\ndef f(): return str(decimal.Decimal(1))');
    expect([values(outcome), existsSync(ran)]).toEqual([['1'], false]);
    await other.close();
  });
});

describe('what one attempt leaves on its connection', () => {
  test.each([
    ['a torn word', `os.write(3, b'\\0\\0\\1\\0o' + b'torn')`],
    ['a whole word', `os.write(3, b'\\0\\0\\0\\x0co' + b'\\0' * 8 + b'junk')`],
    ['nothing, closed,', 'os.close(3)'],
  ])('%s when it dies is nothing to the next', async (_, last) => {
    for (let round = 0; round < 3; round += 1) {
      const died = await house.run(`import os\n@custom\ndef f():\n    ${last}\n    os._exit(0)`);
      expect(died.outcome.status).toBe('process_died');
      expect(values((await house.run(one)).outcome)).toEqual([1]);
    }
  });

  test('an answer that it did not wait for is nothing to the next', async () => {
    const answers: (() => void)[] = [];
    const asked = join(house.projectDir, 'asked');
    const asking = `import os, threading
from mage_ai.orchestration.triggers.api import trigger_pipeline
@custom
def f():
    threading.Thread(target=lambda: trigger_pipeline('other'), daemon=True).start()
    while not os.path.exists(${JSON.stringify(asked)}): pass
    return 'did not wait'`;
    const first = await house.run(asking, {}, () => {
      const answer = Promise.withResolvers<{ ok: true; value: null }>();
      answers.push(() => answer.resolve({ ok: true, value: null }));
      writeFileSync(asked, '');
      return answer.promise;
    });
    expect(values(first.outcome)).toEqual(['did not wait']);
    expect(answers).toHaveLength(1);
    answers[0]?.();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { outcome, logs } = await house.run(one);
      expect([values(outcome), logs]).toEqual([[1], []]);
    }
  });
});

/** The children of the fork server, which all wait once the attempt that asked is gone. */
async function waitingProcesses(of: PythonHouse = house): Promise<readonly number[]> {
  const { outcome } = await of.run('import os\n@custom\ndef f(): return os.getpid(), os.getppid()');
  const [asked, server] = values(outcome) as readonly [number, number];
  await until('the process that asked is gone', () => !isAlive(asked));
  await of.executor.warm(2);
  return readFileSync(`/proc/${server}/task/${server}/children`, 'utf8').trim().split(' ').map(Number);
}

/** Signals those that are still there: one that knows fewer libraries than newer ones is sent home at any moment. */
function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function repr(items: readonly string[]): string {
  return `[${items.join(', ')}]`;
}
