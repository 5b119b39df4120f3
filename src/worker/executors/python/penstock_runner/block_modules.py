"""A block's code runs as a module of its own, `penstock_blocks.<uuid>`.

The name makes instances of its classes picklable with the standard library alone: a pickle names the module, the block's
source is kept beside the pickle, and the next process defines the module from that source before it unpickles.
"""

import ast
import builtins
import linecache
import re
import sys
import types
import zlib

from . import decorators

PACKAGE = 'penstock_blocks'

# Other than definitions, nothing of an upstream's file runs again when only its classes are needed.
DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.If,
    ast.Try,
)


def module_name(block_uuid):
    plain = re.sub(r'\W', '_', block_uuid)
    return '%s.%s' % (PACKAGE, plain if plain == block_uuid else '%s_%08x' % (plain, zlib.crc32(block_uuid.encode())))


def execute(task, inputs):
    """Runs a block's file. Its namespace holds the decorators, each upstream's output by uuid, and df_1, df_2, …"""
    module = _new_module(module_name(task['blockUuid']), task['file'], task['code'])
    names = module.__dict__
    for number, (each, value) in enumerate(zip(task['inputs'], inputs), 1):
        names['df_%d' % number] = value
        if not hasattr(builtins, each['blockUuid']):
            names.setdefault(each['blockUuid'], value)
    names.update(decorators.namespace())
    exec(compile(task['code'], task['file'], 'exec', dont_inherit=True), names)


def forget(block_uuid):
    sys.modules.pop(module_name(block_uuid), None)


def sources_in(pickled):
    """File and code of every block module that a pickle refers to, for `define` on the other side."""
    return {
        name: {'file': module.__file__, 'code': module.__penstock_code__}
        for name, module in list(sys.modules.items())
        if name.startswith(PACKAGE + '.') and name.encode() in pickled
    }


def define(sources):
    """Makes the classes and functions of other blocks importable here, without running anything else of their files."""
    for name, source in sources.items():
        if name in sys.modules:
            continue
        module = _new_module(name, source['file'], source['code'])
        module.__dict__.update(decorators.namespace())
        tree = ast.parse(source['code'], source['file'])
        tree.body = [node for node in tree.body if isinstance(node, DEFINITIONS)]
        before = len(decorators.registered())
        try:
            exec(compile(tree, source['file'], 'exec', dont_inherit=True), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        finally:
            decorators.forget(before)


def _new_module(name, file, code):
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
