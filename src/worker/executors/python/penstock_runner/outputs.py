"""Stores what a block returned, so that nothing is lost between Python blocks and others can read what they can.

- A small value that is exact everywhere (see jsonable.py) stands in the manifest as `inline` and has no file at all.
- Plain JSON values and rows: data.json, data.jsonl; long text: data.txt; bytes: data.bin.
- Tables of pandas and polars: data.parquet where that gives them back as they were.
- Everything else: data.pickle, with a readable copy beside it (data.json, data.jsonl or data.parquet) if there is one, and
  with blocks.json, the source of the blocks whose classes are in it.
"""

import json
import os
import types

from . import block_modules, tables
from .errors import OutputNotStorableError, one_line
from .jsonable import EVERYWHERE, NO, exactness

INLINE_BYTES = 4096
# A longer list is kept as one output: what comes back is the same list, without thousands of folders.
MOST_OUTPUTS = 100
LARGE_JSON_BYTES = 100 * 1024 * 1024


def values_of(returned):
    """The outputs of a block, by what its function returned."""
    if returned is None:
        return []
    if isinstance(returned, types.GeneratorType):
        return list(returned)
    if type(returned) in (list, tuple):  # Not a named tuple: that is one value.
        return list(returned)
    return [returned]


def store(values, task, logger):
    """Writes the values and gives their manifests (src/domain/outputs.ts). Raises OutputNotStorableError."""
    if len(values) > MOST_OUTPUTS:
        values = [values]
    return [_Output('output_%d' % number, value, task, logger).store() for number, value in enumerate(values)]


class _Output:
    def __init__(self, name, value, task, logger):
        self.value = tables.collected(value)
        self.task = task
        self.logger = logger
        self.folder = os.path.join(task['outputsRoot'], task['outputPath'], name)
        self.manifest = {
            'name': name,
            'kind': 'json',
            'path': '%s/%s' % (task['outputPath'], name),
            'file': 'data.json',
            'format': 'json',
            'pythonType': None,
            'mimeType': None,
            'columns': [],
            'rowCount': None,
            'columnCount': None,
            'sizeBytes': 0,
        }

    def store(self):
        if tables.is_table(self.value):
            self._store_table()
        else:
            self._store_value()
        return self.manifest

    def _store_value(self):
        if type(self.value) is bytes:
            self._store_bytes()
            return
        level = exactness(self.value)
        if type(self.value) is str:
            self.manifest['kind'] = 'text'
        if level == NO:
            self._pickle()
            self._readable_copy()
            self._write_meta()
            return
        data = _dump(self.value)
        if level == EVERYWHERE and len(data) <= INLINE_BYTES:
            self.manifest.update(inline=self.value, sizeBytes=len(data))
            self._describe_rows(self.value)
            return
        if type(self.value) is str and len(data) > INLINE_BYTES:
            self.manifest.update(file='data.txt', format='text', mimeType='text/plain')
            data = self.value.encode()
        elif self._describe_rows(self.value):
            self.manifest.update(file='data.jsonl', format='jsonl')
            data = b''.join(_dump(row) + b'\n' for row in self.value)
        self._set_inline(self.value)
        self.manifest['sizeBytes'] = self._write(self.manifest['file'], data)
        if len(data) > LARGE_JSON_BYTES:
            self.logger.warning(
                '%s is %d MB of JSON. A table (pandas with pyarrow, or polars) would be smaller and faster.'
                % (self.manifest['name'], len(data) >> 20)
            )
        self._write_meta()

    def _store_bytes(self):
        size = self._write('data.bin', self.value)
        self.manifest.update(
            kind='binary', file='data.bin', format='binary', mimeType='application/octet-stream', sizeBytes=size
        )
        self.manifest['repr'] = _repr(self.value[:2000])
        self._write_meta()

    def _store_table(self):
        facts = tables.facts(self.value)
        self.manifest.update(kind='table', **facts)
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, 'data.parquet')
        if tables.write_exactly(self.value, path):
            self.manifest.update(file='data.parquet', format='parquet', sizeBytes=os.path.getsize(path))
        else:
            self._pickle()
            self.manifest['kind'] = 'table'
            if not tables.write_readable_parquet(self.value, path):
                self._write_readable_rows()
        self._write_meta()

    def _pickle(self):
        import pickle

        try:
            data = pickle.dumps(self.value, protocol=5)
        except Exception as error:
            data = self._cloudpickle(error)
        sources = block_modules.sources_in(data)
        if sources:
            self._write('blocks.json', _dump(sources))
        self.manifest.update(
            kind='binary', file='data.pickle', format='pickle', mimeType='application/octet-stream', repr=_repr(self.value)
        )
        self.manifest['sizeBytes'] = self._write('data.pickle', data)

    def _cloudpickle(self, reason):
        """For lambdas, local classes and the like, which the standard library can't pickle."""
        try:
            import cloudpickle

            return cloudpickle.dumps(self.value)
        except Exception:
            raise OutputNotStorableError(
                'Block `%s` returned a %s that can not be kept for the next block as %s (%s). '
                'Return data, or install cloudpickle for functions and local classes.'
                % (self.task['blockUuid'], type(self.value).__name__, self.manifest['name'], one_line(reason))
            ) from reason

    def _readable_copy(self):
        """The whole value in JSON beside its pickle, as far as JSON can say it."""
        from .readable import NotReadable, readable

        try:
            copy = readable(self.value)
        except (NotReadable, RecursionError):
            return
        rows = self._describe_rows(copy)
        if rows:
            self._write('data.jsonl', b''.join(_dump(row) + b'\n' for row in copy))
        else:
            self.manifest['kind'] = 'text' if isinstance(self.value, str) else 'json'
            self._write('data.json', _dump(copy))
        if isinstance(self.value, bytearray):
            self.manifest['kind'] = 'binary'
        self._set_inline(copy)

    def _write_readable_rows(self):
        from .readable import NotReadable, readable

        try:
            rows = readable(self.value)
        except (NotReadable, RecursionError):
            return
        self._write('data.jsonl', b''.join(_dump(row) + b'\n' for row in rows))

    def _describe_rows(self, value):
        """Whether the value is a list of rows: dicts with the same keys. Then it is a table to the reader."""
        if not isinstance(value, list) or not value or not isinstance(value[0], dict) or not value[0]:
            return False
        names = list(value[0])
        if not all(isinstance(row, dict) and list(row) == names for row in value):
            return False
        columns = [{'name': name, 'type': _json_type(row[name] for row in value)} for name in names]
        self.manifest.update(kind='table', columns=columns, rowCount=len(value), columnCount=len(columns))
        return True

    def _set_inline(self, value):
        data = _dump(value)
        if len(data) <= INLINE_BYTES and b'\\u0000' not in data:
            self.manifest['inline'] = value

    def _write(self, file, data):
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, file), 'wb') as target:
            target.write(data)
        return len(data)

    def _write_meta(self):
        self._write('meta.json', _dump(self.manifest))


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(',', ':'))


def _dump(value):
    return _encoder.encode(value).encode()


def _repr(value):
    try:
        return repr(value)[:2000].encode('utf-8', 'backslashreplace').decode()
    except Exception:
        return '<%s>' % type(value).__name__


JSON_TYPES = {bool: 'boolean', int: 'integer', float: 'number', str: 'string', list: 'array', dict: 'object'}


def _json_type(values):
    found = {JSON_TYPES.get(type(value), 'unknown') for value in values if value is not None}
    if found == {'integer', 'number'}:
        return 'number'
    return found.pop() if len(found) == 1 else 'mixed' if found else 'null'
