import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

/** Needs a Python with pandas, pyarrow and polars: PENSTOCK_TEST_PYTHON names it. CI sets it. */
describe.skipIf(!process.env.PENSTOCK_TEST_PYTHON)('tables (not run without PENSTOCK_TEST_PYTHON)', () => {
  let house: PythonHouse;
  beforeAll(async () => {
    house = await openPythonHouse();
  });
  afterAll(() => house.close());

  const imports = 'import datetime, decimal\nimport numpy as np, pandas as pd, polars as pl\n';

  /** Fails unless the value comes back downstream with the same type and content. */
  async function comesBack(value: string): Promise<string> {
    const code = `${imports}def make():\n    return ${value}\n`;
    const input = await house.input('up', `${code}@custom\ndef f(): return make()`);
    const { outcome } = await house.run(
      `${code}
import pickle
from pandas.testing import assert_frame_equal, assert_series_equal
def same(a, b):
    assert type(a) is type(b), (type(a), type(b))
    if isinstance(a, pd.DataFrame):
        assert_frame_equal(a, b, check_column_type=True, check_freq=True, check_index_type=True)
        assert [type(x) for x in a.to_numpy().ravel()] == [type(x) for x in b.to_numpy().ravel()]
    elif isinstance(a, pd.Series): assert_series_equal(a, b)
    elif isinstance(a, (pl.DataFrame, pl.Series)): assert a.equals(b)
    elif isinstance(a, np.ndarray): assert a.dtype == b.dtype and a.tolist() == b.tolist()
    elif isinstance(a, dict): [same(a[key], b[key]) for key in {**a, **b}]
    elif isinstance(a, (list, tuple)): [same(x, y) for x, y in zip(a, b, strict=True)]
    else: assert a == b or (a != a and b != b)
@custom
def f(x): same(x, make())`,
      { inputs: [input] },
    );
    if (outcome.status !== 'completed') throw new Error(JSON.stringify(outcome));
    return input.outputs[0]?.format ?? '';
  }

  test.each([
    ['pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False], "s": ["x", "y"]})'],
    ['pd.DataFrame({"v": [1, 2]}, index=pd.Index(["q", "r"], name="key"))'],
    ['pd.DataFrame({"v": [1.0, 2.0]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["i", "j"]))'],
    [
      'pd.DataFrame({"t": pd.to_datetime(["2024-01-01", None]), "z": pd.date_range("2024", periods=2, tz="Europe/Berlin")})',
    ],
    ['pd.DataFrame({"c": pd.Categorical(["u", "v", "u"]), "i": pd.array([1, None, 3], dtype="Int64")})'],
    ['pd.Series([1, 2], name="named")'],
    ['pl.DataFrame({"a": [1, None], "b": ["x", "y"], "l": [[1], [2, 3]]})'],
    ['pl.Series("s", [1, 2])'],
  ])('%s comes back by parquet', async (value) => {
    expect(await comesBack(value)).toBe('parquet');
  });

  test.each([
    ['pd.DataFrame({"o": [1, "a", None], "d": [{"x": 1}, {"y": 2}, None], "l": [[1], (2,), {3}]})'],
    ['pd.DataFrame({1: [1], ("a", "b"): [2]})'],
    ['pd.DataFrame([[1, 2]], columns=["same", "same"])'],
    ['pd.DataFrame({"v": [1]}, index=pd.date_range("2024", periods=1, freq="D"))'],
    ['pd.DataFrame({"d": [datetime.date(2024, 1, 1), decimal.Decimal("1.5")]})'],
    ['pd.DataFrame({"o": pd.Series([b"x"] * 30 + [None, {"a": 1}], dtype=object)})'],
    ['pd.Series([1, 2])'],
    ['pd.DataFrame()'],
    ['np.arange(6).reshape(2, 3)'],
    ['np.float64(2.5)'],
    ['pd.Timestamp("2024-01-01")'],
    ['{"in": [pd.DataFrame({"a": [1]}), (np.array([1]), pl.DataFrame({"b": [2]}))]}'],
  ])('%s comes back by pickle', async (value) => {
    expect(await comesBack(value)).toBe('pickle');
  });

  test('are described in their manifest', async () => {
    const { outcome } = await house.run(
      `${imports}@custom\ndef f(): return pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})`,
    );
    expect(outcome.outputs[0]).toMatchObject({
      kind: 'table',
      pythonType: 'pandas',
      rowCount: 2,
      columnCount: 2,
      columns: [
        { name: 'a', type: 'int64' },
        { name: 'b', type: 'float64' },
      ],
    });
  });

  test('kept as a pickle have a copy that other languages can read', async () => {
    const { outcome } = await house.run(`${imports}@custom\ndef f(): return pd.DataFrame({1: [{"x": 1}, {2, 3}]})`);
    const { readFileSync } = await import('node:fs');
    const { join } = await import('node:path');
    const copy = readFileSync(join(house.outputsRoot, outcome.outputs[0]?.path ?? '', 'data.jsonl'), 'utf8');
    expect(copy).toBe('{"1":{"x":1}}\n{"1":[2,3]}\n');
  });

  test('a NaT, a NaN and an infinity are null in the readable copy', async () => {
    const { outcome } = await house.run(
      `${imports}@custom\ndef f(): return {"a": [pd.NaT, np.nan, float("inf"), np.int64(3)]}`,
    );
    expect(values(outcome)).toEqual([{ a: [null, null, null, 3] }]);
  });

  test('load fast once the library is warm, and random numbers differ between attempts', async () => {
    const code = `${imports.replace(', polars as pl', '')}@custom\ndef f(): return float(np.random.rand())`;
    const first = await house.run(code.replace(/^/, 'import time\n'));
    // The fork server learns from an attempt; after that `import pandas` finds it imported.
    const warm = `import sys\n@custom\ndef f(): return "pandas" in sys.modules`;
    await expect.poll(async () => values((await house.run(warm)).outcome)[0], { timeout: 20_000 }).toBe(true);
    const draws = [first, await house.run(code), await house.run(code)].map(({ outcome }) => values(outcome)[0]);
    expect(new Set(draws).size).toBe(3);
  });

  test('the fork server stays single-threaded with pandas in it', async () => {
    const code = `import os\n@custom\ndef f(): return len(os.listdir(f"/proc/{os.getppid()}/task"))`;
    expect(values((await house.run(code)).outcome)).toEqual([1]);
  });
});
