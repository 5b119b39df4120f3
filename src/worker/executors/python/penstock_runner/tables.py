"""Tables of pandas and polars: Parquet where it gives them back as they were. Neither library is ever required."""

import importlib.util
import sys

from .errors import InputNotReadableError

EXACT_IN_OBJECT_COLUMNS = {'string', 'bytes', 'decimal', 'date', 'boolean'}
ROWS_TRIED = 20


def is_table(value):
    return _kind(value) is not None


def collected(value):
    """A lazy table as the table it stands for; anything else as it is."""
    return value.collect() if _kind(value) == 'polars' and hasattr(value, 'collect') else value


def facts(value):
    """What a manifest says of a table."""
    kind = _kind(value)
    frame = _frame(value, kind)
    dtypes = frame.dtypes
    columns = [{'name': str(name), 'type': str(dtype)} for name, dtype in zip(frame.columns, dtypes)]
    return {
        'pythonType': kind,
        'columns': columns,
        'rowCount': int(frame.shape[0]),
        'columnCount': int(frame.shape[1]),
    }


def write_exactly(value, path):
    """Writes Parquet if reading it gives the same table again; False, and no promise about the file, if not."""
    kind = _kind(value)
    try:
        if kind in ('polars', 'polars_series'):
            return _write_polars(_frame(value, kind), path)
        return _pyarrow() and _is_plain(value, kind) and _write_pandas(_frame(value, kind), path)
    except Exception:
        return False


def write_readable_parquet(value, path):
    """A Parquet copy for other readers, as good as it gets; False when there can be none."""
    try:
        frame = _frame(value, _kind(value))
        if _kind(value) in ('polars', 'polars_series') or not _pyarrow():
            return False
        return _write_pandas(frame.set_axis([str(name) for name in frame.columns], axis=1), path)
    except Exception:
        return False


def read(path, python_type):
    """The table in a Parquet file as the Python type it was; without one as pandas, polars or a list of rows."""
    if python_type in ('polars', 'polars_series') or (python_type is None and not _has('pandas') and _has('polars')):
        polars = _import('polars')
        frame = polars.read_parquet(path)
        return frame.to_series(0) if python_type == 'polars_series' else frame
    _import('pyarrow')
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    if python_type is None and not _has('pandas'):
        return table.to_pylist()
    _import('pandas')
    frame = table.to_pandas()
    return frame.iloc[:, 0] if python_type == 'series' else frame


def _kind(value):
    pandas, polars = sys.modules.get('pandas'), sys.modules.get('polars')
    if pandas is not None:
        if type(value) is getattr(pandas, 'DataFrame', None):
            return 'pandas'
        if type(value) is getattr(pandas, 'Series', None):
            return 'series'
    if polars is not None:
        if type(value) in (getattr(polars, 'DataFrame', None), getattr(polars, 'LazyFrame', None)):
            return 'polars'
        if type(value) is getattr(polars, 'Series', None):
            return 'polars_series'
    return None


def _frame(value, kind):
    return value.to_frame() if kind in ('series', 'polars_series') else value


def _write_polars(frame, path):
    frame.write_parquet(path)
    return True


def _write_pandas(frame, path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), path)
    return True


def _is_plain(value, kind):
    """Tries the way there and back with a few rows, and looks through columns of objects, where Parquet loses most."""
    import pandas
    import pyarrow

    frame = _frame(value, kind)
    if kind == 'series' and not isinstance(value.name, str):
        return False
    if not all(isinstance(name, str) for name in frame.columns) or frame.columns.has_duplicates:
        return False
    if frame.columns.names != [None] or getattr(frame.index, 'freq', None) is not None:
        return False
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        if values.dtype == object and not _uniform(pandas, values):
            return False
    for name in frame.columns:
        if frame[name].dtype == object and not _uniform(pandas, frame[name]):
            return False
    few = frame.iloc[:ROWS_TRIED]
    back = pyarrow.Table.from_pandas(few).to_pandas()
    return (
        list(back.dtypes) == list(few.dtypes)
        and type(back.columns) is type(few.columns)
        and back.columns.dtype == few.columns.dtype
        and type(back.index) is type(few.index)
        and back.index.names == few.index.names
        and back.equals(few)
        and back.index.equals(few.index)
        and back.attrs == few.attrs
    )


def _uniform(pandas, values):
    return pandas.api.types.infer_dtype(values, skipna=False) in EXACT_IN_OBJECT_COLUMNS


def _pyarrow():
    return _has('pyarrow')


def _has(name):
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _import(name):
    try:
        return __import__(name)
    except ImportError:
        raise InputNotReadableError(
            'An upstream output is a Parquet table, and reading it here needs %s: pip install %s.' % (name, name)
        ) from None
