import csv
import importlib.util
import json
import os

from mage_ai._not_available import not_available


class FileIO:
    """Loads and stores csv, json and parquet files: tables of pandas where it is installed, else lists of rows (dicts)."""

    def __init__(self, *args, **kwargs):
        pass

    @classmethod
    def with_config(cls, *args, **kwargs):
        return cls()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def load(self, filepath, format=None, limit=None, **options):
        """The file's table. `format` defaults to the ending of the file's name; `limit` is the most rows."""
        kind = _format(filepath, format)
        if _has_pandas():
            import pandas

            table = getattr(pandas, 'read_' + kind)(filepath, **options)
            return table if limit is None else table.head(limit)
        rows = _load_rows(filepath, kind)
        return rows if limit is None else rows[:limit]

    def export(self, data, filepath, format=None, **options):
        """Writes a table, or rows, to a file, and makes its folder."""
        kind = _format(filepath, format)
        os.makedirs(os.path.dirname(os.path.abspath(filepath)), exist_ok=True)
        if hasattr(data, 'to_' + kind):
            if kind == 'csv':
                options.setdefault('index', False)
            getattr(data, 'to_' + kind)(filepath, **options)
        elif kind == 'csv':
            _write_csv(data, filepath)
        elif kind == 'json':
            with open(filepath, 'w', encoding='utf-8') as file:
                json.dump(data, file)
        else:
            not_available('Writing %s without pandas' % kind, 'Install it for the blocks: pip install pandas pyarrow.')


def _format(filepath, format):
    kind = getattr(format, 'value', format) or os.path.splitext(str(filepath))[1].lstrip('.')
    if str(kind).lower() not in ('csv', 'json', 'parquet'):
        not_available('FileIO for the format `%s`' % kind, 'It knows csv, json and parquet.')
    return str(kind).lower()


def _has_pandas():
    return importlib.util.find_spec('pandas') is not None


def _load_rows(filepath, kind):
    if kind == 'csv':
        with open(filepath, newline='', encoding='utf-8') as file:
            return list(csv.DictReader(file))
    if kind == 'json':
        with open(filepath, encoding='utf-8') as file:
            return json.load(file)
    not_available('Reading %s without pandas' % kind, 'Install it for the blocks: pip install pandas pyarrow.')


def _write_csv(rows, filepath):
    with open(filepath, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
