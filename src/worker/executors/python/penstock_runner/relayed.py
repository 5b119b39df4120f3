"""How lines keep their order although they travel on two ways.

What subprocesses write to the pipes 1 and 2 goes by the fork server; what the block prints goes straight to the worker.
The fork server counts the bytes it takes from a child's pipes in memory it shares with that child, and every line of the
child carries the count: the worker hands a line on only when it has received as many bytes.
"""

import array
import fcntl
import mmap
import struct
import termios

COUNT = struct.Struct('>d')


class Relayed:
    """The shared count of one child."""

    def __init__(self):
        self.memory = mmap.mmap(-1, COUNT.size)

    def add(self, number):
        if number:
            COUNT.pack_into(self.memory, 0, COUNT.unpack_from(self.memory)[0] + number)

    def packed(self):
        return self.memory[: COUNT.size]

    def close(self):
        self.memory.close()


def unread(descriptor):
    """Bytes that wait in a pipe, seen from either end."""
    waiting = array.array('i', [0])
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    except OSError:
        return 0
    return waiting[0]
