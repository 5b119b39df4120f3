"""The classes and functions of other blocks, for values in a pickle that are of them."""

import ast
import sys

from . import block_modules, decorators

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


def define(sources):
    """Makes the classes and functions of other blocks importable here, without running anything else of their files."""
    for name, source in sources.items():
        if name in sys.modules:
            continue
        module = block_modules.new_module(name, source['file'], source['code'])
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
