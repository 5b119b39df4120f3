"""Where a block's words go: `print`, `sys.stderr`, `logging` and the block's logger all become frames on one ordered channel.

The file descriptors 1 and 2 stay what they were, pipes read by the fork server: subprocesses and C code write there.
"""

import io
import json
import logging
import os
import sys
import threading
import time

from .pipes import unread

ORDER_PATIENCE_SECONDS = 0.05
SECONDS_WITHOUT_PATIENCE = 1.0


class Speaker:
    """Sends lines to the worker, each behind whatever a subprocess has written before."""

    def __init__(self):
        self.channel = None  # In the fork server.
        self.ledger = None
        self.lock = threading.RLock()
        self.impatient_until = 0.0

    def say(self, kind, payload):
        with self.lock:
            self._wait_for_pipes()
            self.channel.send(kind, self.ledger.say() + payload)

    def log(self, level, message):
        if self.channel is not None:
            self.say('L', json.dumps({'level': level, 'message': message}).encode())

    def _wait_for_pipes(self):
        """Until the fork server has taken what waits in the pipes, but not for long: others may write without a pause."""
        deadline = None
        while unread(1) or unread(2):
            now = time.monotonic()
            deadline = deadline or now + ORDER_PATIENCE_SECONDS
            if now < self.impatient_until:
                return
            if now > deadline:
                self.impatient_until = now + SECONDS_WITHOUT_PATIENCE
                return
            time.sleep(0.0002)


class Voice:
    """Everything a child speaks with, made and put in place in the fork server once: a child only gives it its own channel.
    In the fork server itself, and while it imports libraries, the same streams end in the file descriptors 1 and 2."""

    def __init__(self):
        self.speaker = Speaker()
        sys.stdin = open(os.devnull)
        sys.stdout = sys.__stdout__ = _text(SpokenStream(self.speaker, 'o', 1))
        sys.stderr = sys.__stderr__ = _text(SpokenStream(self.speaker, 'e', 2))
        # A process that the block forks itself must not write into our channel: it speaks through the pipes.
        os.register_at_fork(after_in_child=self._leave_channel)
        self.listen_to_logging()

    def listen_to_logging(self):
        """Again after an import: some libraries set up logging of their own."""
        root = logging.getLogger()
        root.handlers[:] = [LogHandler(self.speaker)]
        root.setLevel(logging.INFO)

    def connect(self, channel, ledger):
        """Gives the speaker for the block's logger."""
        self.speaker.ledger = ledger
        self.speaker.channel = channel
        return self.speaker

    def _leave_channel(self):
        if self.speaker.channel is not None:
            _leave_channel(self.speaker.channel)


class SpokenStream(io.RawIOBase):
    """The bytes behind sys.stdout or sys.stderr: every write leaves at once, so a death loses nothing."""

    def __init__(self, speaker, kind, descriptor):
        self.speaker = speaker
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
        if payload and self.speaker.channel is None:
            return os.write(self.descriptor, payload)
        if payload:
            self.speaker.say(self.kind, payload)
        return len(payload)


class LogHandler(logging.Handler):
    """Python's own logging, on the logger stream with its level."""

    def __init__(self, speaker):
        super().__init__()
        self.speaker = speaker

    def emit(self, record):
        try:
            self.speaker.log(level_name(record.levelno), self.format(record))
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
