"""Where a block's words go: `print`, `sys.stderr`, `logging` and the block's logger all become frames on one ordered channel.

The file descriptors 1 and 2 stay what they were, pipes read by the fork server: subprocesses and C code write there.
"""

import array
import fcntl
import io
import json
import logging
import os
import sys
import termios
import time

ORDER_PATIENCE_SECONDS = 0.05


def install(channel):
    sys.stdin = open(os.devnull)
    sys.stdout = sys.__stdout__ = _text(ChannelStream(channel, 'o', 1))
    sys.stderr = sys.__stderr__ = _text(ChannelStream(channel, 'e', 2))
    root = logging.getLogger()
    root.handlers[:] = [LogHandler(channel)]
    root.setLevel(logging.INFO)
    # A process that the block forks itself must not write into our channel: it speaks through the pipes.
    os.register_at_fork(after_in_child=lambda: _leave_channel(channel))


def emit_log(channel, level, message):
    wait_for_pipes()
    channel.send('L', json.dumps({'level': level, 'message': message}).encode())


def wait_for_pipes():
    """Lets the fork server read first what a subprocess wrote before, so that lines keep their order. Bounded."""
    deadline = None
    while _unread(1) or _unread(2):
        now = time.monotonic()
        deadline = deadline or now + ORDER_PATIENCE_SECONDS
        if now > deadline:
            return
        time.sleep(0.0002)


def _unread(descriptor):
    waiting = array.array('i', [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    except OSError:
        return 0
    return waiting[0]


class ChannelStream(io.RawIOBase):
    """The bytes behind sys.stdout or sys.stderr: every write leaves at once, so a death loses nothing."""

    def __init__(self, channel, kind, descriptor):
        self.channel = channel
        self.kind = kind
        self.descriptor = descriptor

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor

    def isatty(self):
        return False

    def write(self, data):
        payload = bytes(data)
        if payload:
            wait_for_pipes()
            self.channel.send(self.kind, payload)
        return len(payload)


class LogHandler(logging.Handler):
    """Python's own logging, on the logger stream with its level."""

    def __init__(self, channel):
        super().__init__()
        self.channel = channel

    def emit(self, record):
        try:
            emit_log(self.channel, level_name(record.levelno), self.format(record))
        except Exception:
            self.handleError(record)


def level_name(number):
    if number >= logging.ERROR:
        return 'error'
    if number >= logging.WARNING:
        return 'warning'
    return 'info' if number >= logging.INFO else 'debug'


def _text(raw):
    return io.TextIOWrapper(raw, encoding='utf-8', errors='backslashreplace', newline='\n', write_through=True)


def _leave_channel(channel):
    try:
        channel.connection.close()
    except OSError:
        pass
    sys.stdout = sys.__stdout__ = open(1, 'w', buffering=1, encoding='utf-8', errors='backslashreplace', closefd=False)
    sys.stderr = sys.__stderr__ = open(2, 'w', buffering=1, encoding='utf-8', errors='backslashreplace', closefd=False)
    logging.getLogger().handlers[:] = [logging.StreamHandler(sys.stderr)]
