"""A block's code runs as a module of its own, `penstock_blocks.<uuid>`.

The name makes instances of its classes picklable with the standard library alone: a pickle names the module, the block's
source is kept beside the pickle, and the next process defines the module from that source before it unpickles.
"""

import builtins
import linecache
import re
import sys
import types
import zlib

from . import decorators

PACKAGE = 'penstock_blocks'

def module_name(block_uuid):
    if block_uuid.isidentifier():
        return PACKAGE + '.' + block_uuid
    plain = re.sub(r'\W', '_', block_uuid)
    return '%s.%s' % (PACKAGE, plain if plain == block_uuid else '%s_%08x' % (plain, zlib.crc32(block_uuid.encode())))


def prepare(task):
    """Compiles a block's file ahead, while it must not run yet."""
    try:
        _prepared[:] = task['file'], task['code'], _compile(task)
    except Exception:
        pass  # To be told when it runs.


def execute(task, inputs):
    """Runs a block's file. Its namespace holds the decorators, each upstream's output by uuid, and df_1, df_2, …"""
    module = new_module(module_name(task['blockUuid']), task['file'], task['code'])
    names = module.__dict__
    for number, each in enumerate(task['inputs'], 1):
        value = inputs[number - 1]
        names['df_%d' % number] = value
        if not hasattr(builtins, each['blockUuid']):
            names.setdefault(each['blockUuid'], value)
    names.update(decorators.namespace())
    exec(_prepared[2] if _prepared[:2] == [task['file'], task['code']] else _compile(task), names)


_prepared = []


def _compile(task):
    return compile(task['code'], task['file'], 'exec', dont_inherit=True)


def forget(block_uuid):
    sys.modules.pop(module_name(block_uuid), None)


def sources_in(pickled):
    """File and code of every block module that a pickle refers to, for block_definitions.py on the other side."""
    return {
        name: {'file': module.__file__, 'code': module.__penstock_code__}
        for name, module in list(sys.modules.items())
        if name.startswith(PACKAGE + '.') and name.encode() in pickled
    }


def new_module(name, file, code):
    """An empty module that Python knows by its name."""
    if PACKAGE not in sys.modules:
        sys.modules[PACKAGE] = types.ModuleType(PACKAGE)
        sys.modules[PACKAGE].__path__ = []
    module = types.ModuleType(name)
    module.__file__ = file
    module.__penstock_code__ = code
    sys.modules[name] = module
    # Tracebacks show the lines that ran, whatever has become of the file since.
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    return module
