"""What is told of an exception: its type, its message, and the part of the traceback that is the user's."""

import os
import traceback

HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
FORK_SERVER = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'fork_server.py')


class BlockArgumentsError(TypeError):
    """The function's parameters don't fit the block's upstream blocks."""


class NoDecoratedFunctionError(Exception):
    """The block's file decorates no function for its type."""


class OutputNotStorableError(TypeError):
    """A returned value can't be kept for the next block."""


class InputNotReadableError(Exception):
    """An upstream's stored output can't be read here."""


class CallRefusedError(Exception):
    """What the block asked of its worker was refused."""


class ChildRunError(Exception):
    """A run that the block had started and waited for did not complete."""


OURS = (BlockArgumentsError, NoDecoratedFunctionError, OutputNotStorableError, InputNotReadableError)


def describe(error):
    """The JSON form of an AttemptError (src/worker/executor.ts)."""
    return {'type': type(error).__name__, 'message': message(error), 'stackTrace': stack_trace(error)}


def message(error):
    if isinstance(error, SystemExit):
        return 'The block ended Python by sys.exit(%s).' % ('' if error.code is None else repr(error.code))
    try:
        return str(error)
    except Exception:
        return '<its message could not be made>'


def one_line(error):
    text = message(error)
    return '%s: %s' % (type(error).__name__, text) if text else type(error).__name__


def stack_trace(error):
    """As Python prints it, without our own frames; None when nothing of the user's is in it."""
    told = traceback.TracebackException.from_exception(error)
    if isinstance(error, OURS) and not _trim(told):
        return None
    _trim(told)
    return ''.join(told.format()).rstrip()


def trimmed(error):
    """The same exception with our frames cut off the front of its traceback, for a logger."""
    place = error.__traceback__
    while place is not None and _is_ours(place.tb_frame.f_code.co_filename):
        place = place.tb_next
    return error.with_traceback(place)


def _trim(told):
    """Cuts our frames out of an exception, its causes and its members; the number of frames that are left."""
    left = 0
    stack, seen = [told], set()
    while stack:
        each = stack.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if each.stack is not None:
            each.stack[:] = [frame for frame in each.stack if not _is_ours(frame.filename)]
            left += len(each.stack)
        stack += [each.__cause__, each.__context__, *(getattr(each, 'exceptions', None) or ())]
    return left


def _is_ours(filename):
    return filename.startswith(HERE) or filename == FORK_SERVER
