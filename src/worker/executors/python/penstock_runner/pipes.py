"""How much waits in a pipe."""

import fcntl
import os
import sys


def _fionread():
    """The number of the request; without `termios`, which every fork would have to carry, where it is well known."""
    if sys.platform == 'linux' and os.uname().machine in ('x86_64', 'aarch64', 'armv7l', 'riscv64', 's390x'):
        return 0x541B
    import termios

    return termios.FIONREAD


FIONREAD = _fionread()
_waiting = bytearray(4)


def unread(descriptor):
    """Bytes that wait in a pipe, seen from either end."""
    try:
        fcntl.ioctl(descriptor, FIONREAD, _waiting)
    except OSError:
        return 0
    return int.from_bytes(_waiting, sys.byteorder)
