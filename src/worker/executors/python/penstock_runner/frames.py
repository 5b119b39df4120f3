"""Frames on a socket: 4 bytes big-endian length of the payload, 1 byte kind, the payload.

Kinds, worker → fork server: F fork this many, P preload these modules, S this child is told to
stop and has so many milliseconds. Fork server → worker: Y ready, G a new generation
(modules were preloaded), O raw output, X a child ended, N a fork failed. Child → worker: H hello, o stdout, e stderr,
L logger line, R result, Q question. Worker → child: T task, G go, A answer.
"""

import struct
import threading

HEADER = struct.Struct('>I1s')


class Channel:
    """One end of a framed connection. Any thread may send; a signal handler must not tear a frame apart (see `interrupt`)."""

    def __init__(self, connection):
        self.connection = connection
        self.lock = threading.RLock()
        self.sender = None
        self.postponed = None

    def fileno(self):
        return self.connection.fileno()

    def send(self, kind, payload):
        with self.lock:
            self.sender = threading.get_ident()
            try:
                self.connection.sendall(HEADER.pack(len(payload), kind.encode()) + payload)
            finally:
                self.sender = None
        if self.postponed is not None:
            error, self.postponed = self.postponed, None
            raise error

    def interrupt(self, error):
        """Raises `error` in the calling thread, but never in the middle of a frame: then right after it."""
        if self.sender == threading.get_ident():
            self.postponed = error
        else:
            raise error

    def receive(self):
        """The next frame as (kind, payload), or None when the other end is gone."""
        header = self._read(HEADER.size)
        if header is None:
            return None
        length, kind = HEADER.unpack(header)
        payload = self._read(length)
        return None if payload is None else (kind.decode(), payload)

    def _read(self, length):
        parts = bytearray()
        while len(parts) < length:
            part = self.connection.recv(min(length - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
        return bytes(parts)
