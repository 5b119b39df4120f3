"""`kwargs['logger']`: logger.info('rows read', count=3)."""

import sys
import traceback

from . import streams


class BlockLogger:
    """Takes a message and anything besides: exceptions are shown with their traceback, the rest as name=value."""

    def __init__(self, speaker):
        self._speaker = speaker

    def debug(self, message='', *args, **details):
        self._log('debug', message, args, details)

    def info(self, message='', *args, **details):
        self._log('info', message, args, details)

    def warning(self, message='', *args, **details):
        self._log('warning', message, args, details)

    warn = warning

    def error(self, message='', *args, **details):
        self._log('error', message, args, details)

    critical = fatal = error

    def exception(self, message='', *args, **details):
        details.setdefault('exc_info', True)
        self._log('error', message, args, details)

    def log(self, level, message='', *args, **details):
        self._log(streams.level_name(level) if isinstance(level, int) else str(level).lower(), message, args, details)

    def _log(self, level, message, args, details):
        self._speaker.log(level, render(message, args, details))


def render(message, args, details):
    """One readable text of everything that was given."""
    text = str(message)
    if args:
        try:
            text = text % args
        except (TypeError, ValueError):
            text = ' '.join([text, *map(str, args)])
    traces = []
    exc_info = details.pop('exc_info', None)
    if exc_info:
        traces.append(_trace(exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]))
    for name, value in details.items():
        if isinstance(value, BaseException):
            traces.append(_trace(value))
        else:
            text += ' %s=%s' % (name, value)
    return '\n'.join([text, *filter(None, traces)])


def _trace(error):
    if error is None:
        return ''
    return ''.join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
