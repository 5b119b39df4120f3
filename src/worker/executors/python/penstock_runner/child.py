"""The life of one forked process: get ready, wait for a task, run it, report, end."""

import _signal
import _thread
import atexit
import json
import logging
import os
import struct
import sys
import threading
import time
import weakref
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from . import asking, attempt, block_modules, current, decorators, fork_hooks, preload, process_group
from .ledger import LAST_WORD, TASK_BEGUN
from .pipes import unread

STAND_IN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'stand_in')
# CPython specialises a function's code after its eighth call.
PRACTICES = 10
SIGCHLD, SIGTERM = int(_signal.SIGCHLD), int(_signal.SIGTERM)
DECODER, ENCODER = json.JSONDecoder(), json.JSONEncoder()
HELLO = struct.Struct('>IId')  # pid, generation, CPU time in milliseconds
WHOLE_WAY, SHORT_WAY = attempt.rehearsal(attempt.WHOLE_WAY), attempt.rehearsal(attempt.SHORT_WAY)
UNFINISHED = 3  # Exit code of a child that got no task.
OWN_EXIT_FUNCTIONS = getattr(atexit, '_ncallbacks', lambda: None)()
OWN_HANDLERS = len(getattr(logging, '_handlerList', ())) + 1  # The one of streams.Voice.


def prepare_paths(settings):
    """What a block may import: the project's parent, the project, its grandparent, and last our stand-in for mage_ai,
    so that a real mage_ai is never shadowed."""
    project = settings['projectDir']
    parent = os.path.dirname(project)
    ours = os.path.dirname(STAND_IN)
    rest = [path for path in sys.path if os.path.abspath(path or '.') != ours]
    # `from mage_ai.data_preparation.decorators import …` must reach ours, even where the real package is installed.
    sys.modules['mage_ai.data_preparation.decorators'] = decorators
    for name in preload.hidden_by_project((parent, project, os.path.dirname(parent))):
        __import__(name)
    sys.path[:] = [parent, project, os.path.dirname(parent), *rest, STAND_IN]
    os.chdir(parent)


def practise(settings, speaker, ledger):
    """What every child does alike is done a few times in the fork server: then it finds its caches filled and its code
    specialised, and so copies fewer pages."""
    for _ in range(PRACTICES):
        _rehearse(WHOLE_WAY, settings, speaker, ledger)


def live(settings, generation, connection, stdout, stderr, to_close, channel, ledger, voice):
    """From the fork to the end of the process; never returns. `connection` takes the place of the fork server's `channel`."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(connection, channel.fileno(), False)
    for descriptor in to_close:
        os.close(descriptor)
    os.setsid()
    _signal.set_wakeup_fd(-1)
    _signal.signal(SIGCHLD, _signal.SIG_DFL)
    pid = os.getpid()
    fork_hooks.finish(pid)
    _fresh_randomness()
    speaker = voice.connect(channel, ledger)
    current.attempt.channel = channel
    # The pages of memory that this touches are then this process's own copies, and the attempt itself starts twice as fast.
    _rehearse(SHORT_WAY, settings, speaker, ledger)
    channel.send('H', HELLO.pack(pid, generation, time.process_time() * 1000))
    task = channel.receive()
    if task is None:
        os._exit(UNFINISHED)
    task = DECODER.raw_decode(task[1].decode())[0]
    if task['isHeld']:
        block_modules.prepare(task)
        if channel.receive() is None:
            os._exit(UNFINISHED)
    ledger.mark(TASK_BEGUN)
    _signal.signal(SIGTERM, lambda *_: channel.interrupt(attempt.StopRequested(143)))
    result = _run(task, settings, speaker)
    _signal.signal(SIGTERM, _signal.SIG_IGN)
    with channel.lock:  # For ever: whatever still runs in this process says nothing more.
        _add_facts(result, ledger)
        channel.send('R', ENCODER.encode(result).encode())
        if result['isLastWord']:
            ledger.mark(LAST_WORD)
        os._exit(0)


def _rehearse(task, settings, speaker, ledger):
    result = attempt.rehearse(DECODER.raw_decode(task)[0], settings, speaker)
    _add_facts(result, ledger)
    ENCODER.encode(result)


def _add_facts(result, ledger):
    """What the worker is told besides. After the last word nothing can follow: then nobody needs to wait for the end."""
    own, others = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    result['cpuTimeMs'] = (own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime) * 1000
    result['maxRssBytes'] = own.ru_maxrss * process_group.MAXRSS_UNIT
    result['modules'] = preload.loaded()
    result['isLastWord'] = not (
        _thread._count()
        or asking.waits()
        or ledger.any_relayed()
        or unread(1)
        or unread(2)
        or process_group.had_company(others)
    )


def _run(task, settings, speaker):
    try:
        result = attempt.run(task, settings, speaker)
        _finish_threads()
        return result
    except attempt.StopRequested:
        return attempt.stopped()


def _finish_threads():
    """As an ordinary Python would at its end: waits for threads that are no daemons, then runs exit functions."""
    if _thread._count():
        getattr(threading, '_shutdown', lambda: None)()
    if _has_exit_functions():
        getattr(atexit, '_run_exitfuncs', lambda: None)()


def _has_exit_functions():
    """Whether there is more to do at exit than in an empty process: logging has handlers to flush, something is to be finalised."""
    try:
        return (
            atexit._ncallbacks() != OWN_EXIT_FUNCTIONS
            or len(logging._handlerList) != OWN_HANDLERS
            or bool(weakref.finalize._registry)
        )
    except AttributeError:  # Of a Python that keeps this elsewhere.
        return True


def _fresh_randomness():
    """numpy keeps the state of its generator over a fork: without this, all attempts would draw the same numbers."""
    if 'numpy.random' in sys.modules:
        sys.modules['numpy.random'].seed()
