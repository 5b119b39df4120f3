"""What Python does by itself in a forked process, put to rest while the fork server forks.

The standard library's handlers (of threading, random and logging) cost each child half a millisecond: they walk over locks and
threads, of which a process with one thread has none that matter, and touch two hundred pages of memory, each of which the
kernel must then copy. A child does what is left of their work in a few steps, and wakes them for the forks of the block's own
code. Handlers of any other library run as ever.
"""

import sys

_resting = []  # (function, its own code)
_rested = set()  # Names of modules whose handlers rested at the last fork.


def rest():
    """In the fork server, before it forks; again after an import, which may have brought one of the modules."""
    if sys.platform == 'linux' and _find('threading', '_main_thread') is not None:
        _let_rest('threading', ['_after_fork'], _nothing)
    if _find('random', '_inst') is not None and _find('_random', 'Random.seed') is not None:
        _let_rest('random', ['Random.seed'], _Unseeded.seed)
    # All or none of them: what the first takes, the others give back.
    _let_rest('logging', ['_acquireLock', '_releaseLock', '_after_at_fork_child_reinit_locks'], _nothing)
    _let_rest('logging', ['_prepareFork', '_afterFork', '_after_at_fork_child_reinit_locks'], _nothing)  # Python 3.13


def wake():
    """In the fork server, before it does anything else than forking."""
    for function, code in _resting:
        function.__code__ = code
    _resting.clear()


def finish(pid):
    """In a child: wakes the handlers and does what they would have done, as far as it matters to one forked by the only thread."""
    wake()
    modules = sys.modules
    if 'threading' in _rested:
        modules['threading']._main_thread._native_id = pid  # Linux calls the main thread so.
    if 'random' in _rested:
        modules['_random'].Random.seed(modules['random']._inst)


def _let_rest(module, names, substitute):
    functions = [_find(module, name) for name in names]
    codes = [getattr(function, '__code__', None) for function in functions]
    if None in codes or substitute.__code__ in codes:
        return
    if any(code.co_freevars != substitute.__code__.co_freevars for code in codes):
        return  # Another Python's function of that name: it goes on as it is.
    for function, code in zip(functions, codes):
        function.__code__ = substitute.__code__
        _resting.append((function, code))
    _rested.add(module)


def _find(module, path):
    found = sys.modules.get(module)
    for name in path.split('.'):
        found = getattr(found, name, None)
    return found


def _nothing():
    pass


class _Unseeded:
    def seed(self, a=None, version=2):
        __class__  # noqa: B018 (the code of a function can only be swapped for one that closes over the same names)
