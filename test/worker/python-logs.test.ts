import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLineCutter, longestLine } from '../../src/worker/executors/log-lines.ts';
import { messages, openPythonHouse, type PythonHouse } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

const plain = (logs: readonly { stream: string; level: string; message: string }[]) =>
  logs.map((line) => `${line.stream}/${line.level} ${line.message}`);

describe('what a block says', () => {
  test('arrives line by line with stream and level, in the order in which it was said', async () => {
    const { logs } = await house.run(`import logging, sys
@custom
def f(logger):
    print('one')
    logger.info('two', count=2)
    logger.warning('three')
    logging.getLogger('library').error('four %s', 4)
    print('five', file=sys.stderr)
    logger.debug('six')
    print('seven', end='')`);
    expect(plain(logs)).toEqual([
      'stdout/info one',
      'logger/info two count=2',
      'logger/warning three',
      'logger/error four 4',
      'stderr/error five',
      'logger/debug six',
      'stdout/info seven',
    ]);
  });

  test('keeps its order with what subprocesses write', async () => {
    const { logs } = await house.run(`import subprocess
@custom
def f():
    for number in range(20):
        print('ours', number)
        subprocess.run(['echo', f'theirs {number}'])`);
    const expected = Array.from({ length: 20 }, (_, number) => [`ours ${number}`, `theirs ${number}`]).flat();
    expect(messages(logs, 'stdout')).toEqual(expected);
  });

  test('includes C code, forked children and bytes that are no UTF-8', async () => {
    const { logs } = await house.run(`import os, sys, multiprocessing
@custom
def f():
    os.write(1, b'raw \\xff\\n')
    os.system('echo shell >&2')
    child = multiprocessing.get_context('fork').Process(target=print, args=('from a fork',))
    child.start()
    child.join()
    sys.stdout.buffer.write('ä'.encode('latin1') + b'\\0\\n')`);
    expect(messages(logs, 'stdout')).toEqual(['raw \ufffd', 'from a fork', '\ufffd\ufffd']);
    expect(messages(logs, 'stderr')).toEqual(['shell']);
  });

  test('is not lost when the process dies', async () => {
    const { outcome, logs } = await house.run(`import os, sys, subprocess
@custom
def f():
    for number in range(2000): print('line', number)
    subprocess.run('printf "half a line" >&2', shell=True)
    print('the last words', end='')
    os.kill(os.getpid(), 9)`);
    expect(outcome.status).toBe('process_died');
    expect(messages(logs, 'stdout')).toHaveLength(2001);
    expect(messages(logs, 'stdout').at(-1)).toBe('the last words');
    expect(messages(logs, 'stderr')).toEqual(['half a line']);
  });

  test('includes tracebacks of exceptions that the block logs', async () => {
    const { logs } = await house.run(`@custom
def f(logger):
    try:
        1 / 0
    except ZeroDivisionError as error:
        logger.exception('caught', step=1)
        logger.error('again', error=error)`);
    for (const [index, start] of ['caught step=1\nTraceback', 'again\nTraceback'].entries()) {
      expect(logs[index]).toMatchObject({ stream: 'logger', level: 'error' });
      expect(logs[index]?.message).toContain(start);
      expect(logs[index]?.message).toContain('ZeroDivisionError');
    }
  });

  test('survives threads and megabytes', async () => {
    const { logs } = await house.run(`import threading
def talk(name):
    for number in range(500): print(f'{name} {"x" * 1000}')
@custom
def f():
    threads = [threading.Thread(target=talk, args=(name,)) for name in 'abcd']
    for thread in threads: thread.start()`);
    const lengths = messages(logs, 'stdout').map((line) => line.length);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(4 * 500 * 1002);
  });
});

describe('a line cutter', () => {
  function cut(...chunks: readonly (string | Buffer)[]): readonly string[] {
    const lines: string[] = [];
    const cutter = createLineCutter((line) => lines.push(line));
    for (const chunk of chunks) cutter.push(Buffer.from(chunk as string));
    cutter.end();
    return lines;
  }

  test('joins what chunks tore apart, also within a character', () => {
    const [start, end] = [Buffer.from('aä').subarray(0, 2), Buffer.from('aä').subarray(2)];
    expect(cut('one\ntw', 'o\r\n\n', start, end)).toEqual(['one', 'two', '', 'aä']);
  });

  test('splits very long lines at 32 KB, between characters', () => {
    const lines = cut(`${'x'.repeat(longestLine - 1)}äy\nz`);
    expect(lines).toEqual(['x'.repeat(longestLine - 1), 'äy', 'z']);
  });
});
