"""The end of a child and of everything it started: its whole process group."""

import _signal
import os
import signal

PR_SET_CHILD_SUBREAPER = 36
SIGCHLD = int(signal.SIGCHLD)


def adopt_orphans():
    """Makes orphaned grandchildren ours (Linux), so that they can be reaped here whatever runs as process 1."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, AttributeError, OSError):
        pass


def ended_children(known, has_grace):
    """Reaps what has ended; yields (pid, how it ended) of known children, after SIGKILL to the rest of their group.

    The group is killed while its leader is a zombie, because only then its id can't belong to anybody else. One that `has_grace`,
    since it was told to stop, is left to the worker, which kills what remains of it in time.
    """
    while True:
        try:
            pid, status, usage = _reap_next(known, has_grace)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in known:
            yield pid, _end(pid, status, usage)


def _reap_next(known, has_grace):
    if hasattr(os, 'waitid'):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return 0, None, None
        if ended.si_pid in known and not has_grace(ended.si_pid):
            _kill_group(ended.si_pid)
        return os.wait4(ended.si_pid, 0)
    pid, status, usage = os.wait4(-1, os.WNOHANG)  # macOS before Python 3.13 can't look before it reaps.
    if pid in known and not has_grace(pid):
        _kill_group(pid)
    return pid, status, usage


def is_gone(group):
    """True when no process of the group is left, reaping those that we adopted."""
    if not _is_there(group):
        return True
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return not _is_there(group)


def _is_there(group):
    try:
        os.killpg(group, 0)
        return True
    except (ProcessLookupError, PermissionError):  # The latter is how macOS answers for a group of zombies.
        return False


def had_company(usage_of_children):
    """False when this process has no child and never had one: then nothing of it outlives it. A child that was waited for shows
    in the resources of children, one that was not can be waited for; a double fork leaves one of the two."""
    if usage_of_children.ru_maxrss or _signal.getsignal(SIGCHLD) != _signal.SIG_DFL:
        return True
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def bury(group):
    """Kills a child that was not reaped yet, with its group, and reaps it."""
    _kill_group(group)
    try:
        os.waitpid(group, 0)
    except ChildProcessError:
        pass


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _end(pid, status, usage):
    signalled = os.WIFSIGNALED(status)
    return {
        'pid': pid,
        'signal': signal.Signals(os.WTERMSIG(status)).name if signalled else None,
        'exitCode': None if signalled else os.WEXITSTATUS(status),
        'cpuTimeMs': (usage.ru_utime + usage.ru_stime) * 1000,
        'maxRssBytes': usage.ru_maxrss * MAXRSS_UNIT,
    }


MAXRSS_UNIT = 1 if os.uname().sysname == 'Darwin' else 1024
