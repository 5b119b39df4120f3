"""The decorators of a block's file. They only write down what was decorated, in order; `import` of them is optional."""

import functools

KINDS = (
    'data_loader',
    'transformer',
    'data_exporter',
    'custom',
    'sensor',
    'test',
    'condition',
    'callback',
    'on_success',
    'on_failure',
)


class Decorated:
    """A function with the decorator's name and its arguments: `@callback('success')` has options ('success',)."""

    def __init__(self, kind, function, options):
        self.kind = kind
        self.function = function
        self.options = options


_registered = []


def _register(kind, *options, **named):
    if len(options) == 1 and not named and callable(options[0]):
        _registered.append(Decorated(kind, options[0], ()))
        return options[0]

    def decorate(function):
        _registered.append(Decorated(kind, function, options))
        return function

    return decorate


def registered():
    """Everything decorated so far, in the order of the file."""
    return list(_registered)


def forget(count=0):
    """Drops what was registered after the first `count`: an upstream's code that is loaded again registers nothing."""
    del _registered[count:]


def namespace():
    """The names a block's file finds already there."""
    return _namespace


for _kind in KINDS:
    globals()[_kind] = functools.partial(_register, _kind)
_namespace = {kind: globals()[kind] for kind in KINDS}

# Blocks may import names that only notebooks used; they decorate nothing.
def preprocesser(function):
    return function


__all__ = [*KINDS, 'preprocesser']
