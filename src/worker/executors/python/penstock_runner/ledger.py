"""What the fork server and one child know of each other, in memory that they share: no message is needed, and no death loses it.

Two counts keep lines in their order although they travel on two ways: what subprocesses write to the pipes 1 and 2 goes by
the fork server; what the block prints goes straight to the worker. The fork server counts the bytes it took from the
pipes, the child the lines it said. Every line carries the count of bytes and every piece of output the count of lines
that came before it, and the worker merges the two ways by these counts (python-line-order.ts). Each counts itself only after
it has looked at the other's count, so the two can't wait for each other.

Two marks: that the child has begun with its task, since a task that a dying child never began can be given to another; and that it
has said its last word, since then its connection is whole and silent, and the next child may have it.
"""

import mmap
import struct

COUNT = struct.Struct('>d')
BYTES = 3 * COUNT.size
TASK_BEGUN, LAST_WORD = 1, 2


class Ledger:
    """The shared page of one child."""

    def __init__(self):
        if not _free:
            memory = mmap.mmap(-1, mmap.PAGESIZE)
            _free.extend((memory, start) for start in range(0, mmap.PAGESIZE - BYTES + 1, BYTES))
        self.place = _free.pop()
        self.memory, self.bytes_relayed = self.place
        self.lines_said = self.bytes_relayed + COUNT.size
        self.marks = self.lines_said + COUNT.size

    def relay(self, number):
        """Counts bytes; gives the number of lines said before them, packed."""
        return self._look_and_add(self.lines_said, self.bytes_relayed, number)

    def say(self):
        """Counts a line; gives the number of bytes relayed before it, packed."""
        return self._look_and_add(self.bytes_relayed, self.lines_said, 1)

    def any_relayed(self):
        """Whether the pipes ever held anything that the fork server has taken."""
        return COUNT.unpack_from(self.memory, self.bytes_relayed)[0] > 0

    def mark(self, step):
        """The child's: TASK_BEGUN, then LAST_WORD."""
        self.memory[self.marks] = step

    def has_come_to(self, step):
        return self.memory[self.marks] >= step

    def close(self):
        """In the fork server, when nothing of the child lives any more: the place is free for another child."""
        self.memory[self.bytes_relayed : self.bytes_relayed + BYTES] = bytes(BYTES)
        _free.append(self.place)

    def _look_and_add(self, other, own, number):
        before = self.memory[other : other + COUNT.size]
        COUNT.pack_into(self.memory, own, COUNT.unpack_from(self.memory, own)[0] + number)
        return before


_free = []  # (memory, start)
