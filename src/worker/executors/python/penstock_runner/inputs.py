"""Reads what upstream blocks have stored, whichever language stored it."""

import json
import os

from .errors import InputNotReadableError


def load(each, root):
    """The argument for one upstream: the bare value of one output, a list of several, [] of none, None unless completed."""
    if each['status'] != 'completed':
        return None
    if not each['outputs']:
        return []
    values = [_load_output(manifest, root, each['blockUuid']) for manifest in _in_order(each['outputs'])]
    return values[0] if len(values) == 1 else values


def _in_order(manifests):
    """By number: output_10 comes after output_9."""
    return sorted(manifests, key=lambda manifest: int(manifest['name'].rpartition('_')[2]))


def _load_output(manifest, root, block_uuid):
    folder = os.path.join(root, manifest['path'])
    try:
        return READERS[manifest['format']](os.path.join(folder, manifest['file']), manifest)
    except (FileNotFoundError, IsADirectoryError):
        # A small value whose inline copy is exact has no file.
        if 'inline' in manifest and manifest['format'] == 'json':
            return manifest['inline']
        raise InputNotReadableError(
            'The stored %s of the upstream block `%s` is gone (%s). Run that block again.'
            % (manifest['name'], block_uuid, manifest['path'])
        ) from None
    except KeyError as error:
        if error.args != (manifest['format'],):
            raise
        raise InputNotReadableError(
            'The %s of `%s` is stored as %s, which Python blocks can not read.'
            % (manifest['name'], block_uuid, manifest['format'])
        ) from None


def _json(path, manifest):
    with open(path, 'rb') as file:
        return json.load(file)


def _json_lines(path, manifest):
    with open(path, 'rb') as file:
        return [json.loads(line) for line in file if line.strip()]


def _text(path, manifest):
    with open(path, 'rb') as file:
        return file.read().decode('utf-8', 'replace')


def _bytes(path, manifest):
    with open(path, 'rb') as file:
        return file.read()


def _csv(path, manifest):
    import csv

    with open(path, newline='', encoding='utf-8', errors='replace') as file:
        return list(csv.DictReader(file))


def _pickle(path, manifest):
    import pickle

    from . import block_definitions

    sources = os.path.join(os.path.dirname(path), 'blocks.json')
    if os.path.exists(sources):
        with open(sources, encoding='utf-8') as file:
            block_definitions.define(json.load(file))
    with open(path, 'rb') as file:
        return pickle.load(file)


def _parquet(path, manifest):
    from . import tables

    if not os.path.exists(path):
        raise FileNotFoundError(path)
    return tables.read(path, manifest['pythonType'])


READERS = {
    'json': _json,
    'jsonl': _json_lines,
    'text': _text,
    'csv': _csv,
    'binary': _bytes,
    'image': _bytes,
    'pickle': _pickle,
    'parquet': _parquet,
}
