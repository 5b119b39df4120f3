"""How lines keep their order although they travel on two ways.

What subprocesses write to the pipes 1 and 2 goes by the fork server; what the block prints goes straight to the worker.
Both sides count in memory they share: the fork server the bytes it took from the pipes, the child the lines it said. Every
line carries the count of bytes and every piece of output the count of lines that came before it, and the worker merges the
two ways by these counts (python-line-order.ts). Each counts itself only after it has looked at the other's count, so the
two can't wait for each other.
"""

import array
import fcntl
import mmap
import struct
import termios

COUNT = struct.Struct('>d')


class Counts:
    """The shared counts of one child."""

    BYTES_RELAYED, LINES_SAID = 0, COUNT.size

    def __init__(self):
        self.memory = mmap.mmap(-1, 2 * COUNT.size)

    def relay(self, number):
        """Counts bytes; gives the number of lines said before them, packed."""
        return self._look_and_add(self.LINES_SAID, self.BYTES_RELAYED, number)

    def say(self):
        """Counts a line; gives the number of bytes relayed before it, packed."""
        return self._look_and_add(self.BYTES_RELAYED, self.LINES_SAID, 1)

    def nothing_relayed(self):
        """True when the pipes never held anything that the fork server has taken."""
        return COUNT.unpack_from(self.memory, self.BYTES_RELAYED)[0] == 0

    def _look_and_add(self, other, own, number):
        before = self.memory[other : other + COUNT.size]
        COUNT.pack_into(self.memory, own, COUNT.unpack_from(self.memory, own)[0] + number)
        return before

    def close(self):
        self.memory.close()


_waiting = array.array('i', [0])


def unread(descriptor):
    """Bytes that wait in a pipe, seen from either end."""
    try:
        fcntl.ioctl(descriptor, termios.FIONREAD, _waiting)
    except OSError:
        return 0
    return _waiting[0]
