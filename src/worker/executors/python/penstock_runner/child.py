"""The life of one forked process: get ready, wait for a task, run it, report, end."""

import atexit
import json
import os
import resource
import signal
import socket
import sys
import threading

from . import attempt, current, decorators, preload, process_group
from .frames import Channel
from .line_order import unread

STAND_IN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'stand_in')
# CPython specialises a function's code after its eighth call.
PRACTICES = 10


def prepare_paths(settings):
    """What a block may import: the project's parent, the project, its grandparent, and last our stand-in for mage_ai,
    so that a real mage_ai is never shadowed."""
    project = settings['projectDir']
    parent = os.path.dirname(project)
    ours = os.path.dirname(STAND_IN)
    rest = [path for path in sys.path if os.path.abspath(path or '.') != ours]
    # `from mage_ai.data_preparation.decorators import …` must reach ours, even where the real package is installed.
    sys.modules['mage_ai.data_preparation.decorators'] = decorators
    sys.path[:] = [parent, project, os.path.dirname(parent), *rest, STAND_IN]
    os.chdir(parent)


def practise(settings, voice):
    """What every child does alike is done once in the fork server: then it finds its caches filled and its code specialised,
    and so copies fewer pages."""
    for _ in range(PRACTICES):
        _answer(attempt.rehearse(settings, voice.speaker))


def live(settings, generation, stdout, stderr, counts, voice):
    """Never returns."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _be_the_first_victim()
    _fresh_randomness()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(settings['address'])
    channel = Channel(connection)
    speaker = voice.connect(channel, counts)
    current.attempt.channel = channel
    _answer(attempt.rehearse(settings, speaker))
    channel.send('H', json.dumps({'pid': os.getpid(), 'generation': generation, 'cpuTimeMs': _cpu_ms()}).encode())
    frame = channel.receive()
    if frame is None:
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: channel.interrupt(attempt.StopRequested(143)))
    result = _run(json.loads(frame[1]), settings, speaker)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    result['isLastWord'] = process_group.never_had_company() and counts.nothing_relayed() and not (unread(1) or unread(2))
    channel.send('R', _answer(result))
    os._exit(0)


def _answer(result):
    facts = {'cpuTimeMs': _cpu_ms(), 'maxRssBytes': process_group.peak_memory(), 'modules': preload.loaded()}
    return json.dumps({**result, **facts}).encode()


def _run(task, settings, speaker):
    try:
        result = attempt.run(task, settings, speaker)
        _finish_threads()
        return result
    except attempt.StopRequested:
        return attempt.stopped()


def _finish_threads():
    """As an ordinary Python would at its end: waits for threads that are no daemons, then runs exit functions."""
    if threading.active_count() > 1:
        getattr(threading, '_shutdown', lambda: None)()
    getattr(atexit, '_run_exitfuncs', lambda: None)()


def _be_the_first_victim():
    """When memory runs out, a block should go before the server and its database do."""
    try:
        file = os.open('/proc/self/oom_score_adj', os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(file, b'500')
    except OSError:
        pass
    finally:
        os.close(file)


def _fresh_randomness():
    """numpy keeps the state of its generator over a fork: without this, all attempts would draw the same numbers."""
    if 'numpy.random' in sys.modules:
        sys.modules['numpy.random'].seed()


def _cpu_ms():
    uses = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses) * 1000
