"""The fork server: one warm Python that forks a fresh process for every attempt.

Started by src/worker/executors/python-fork-server.ts, which speaks with it over file descriptor 3 (see
penstock_runner/frames.py). It never runs a line of a project's code itself: only its children do, each for one attempt.
It must be single-threaded whenever it forks, because a lock held by another thread would stay locked in the child for ever.

It also stands between the worker and what its children leave behind: it passes on what they and their subprocesses write
to the file descriptors 1 and 2, and reports a child's end only when nothing of its process group lives any more.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

sys.dont_write_bytecode = True  # Our own folder may be read-only, and is no place for caches.
from penstock_runner import child, preload, process_group, streams  # noqa: E402
from penstock_runner.frames import Channel  # noqa: E402
from penstock_runner.line_order import Counts, unread  # noqa: E402

sys.dont_write_bytecode = False

STDOUT, STDERR = 0, 1
IDLE_MS_BEFORE_PRELOAD = 30
LINGER_SECONDS = 2.0
GRACE_LOOK_MS = 10


class Child:
    """A forked process: the read ends of its stdout and stderr, and what is known of its end."""

    def __init__(self, pid, stdout, stderr, counts):
        self.pid = pid
        self.counts = counts
        self.pipes = {stdout: STDOUT, stderr: STDERR}
        self.end = None
        self.give_up_at = 0.0
        self.grace_until = 0.0  # Set when it was told to stop: until then its group is left alone.


class ForkServer:
    def __init__(self, channel, settings, voice):
        self.channel = channel
        self.voice = voice
        self.settings = settings
        self.generation = 0
        self.children = {}  # pid → Child
        self.readers = {}  # file descriptor → Child
        self.lingering = []  # children that are dead while others of their group still die
        self.to_preload = []
        self.poll = select.poll()
        self.letterbox = select.poll()

    def serve(self):
        wake, self.wake_end = os.pipe()
        for descriptor in (wake, self.wake_end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self.wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.own_descriptors = (wake, self.wake_end, self.channel.fileno())
        self.poll.register(wake, select.POLLIN)
        self.poll.register(self.channel.fileno(), select.POLLIN)
        self.letterbox.register(self.channel.fileno(), select.POLLIN)
        self.to_preload = preload.used_by_project(self.settings['projectDir'])
        self.announce('Y')
        while True:
            ready = self.poll.poll(self.patience_ms())
            if not ready and not self.lingering and self.to_preload:
                self.preload_next()
            for descriptor, _ in ready:
                if descriptor == wake:
                    os.read(wake, 4096)
                elif descriptor == self.channel.fileno():
                    if not self.obey():
                        return
                elif descriptor in self.readers:
                    self.relay(descriptor)
            self.reap()

    def patience_ms(self):
        if self.lingering:
            return GRACE_LOOK_MS if all(dead.grace_until for dead in self.lingering) else 1
        return IDLE_MS_BEFORE_PRELOAD if self.to_preload else None

    def obey(self):
        """Does what the worker asks; False when the worker is gone."""
        frame = self.channel.receive()
        if frame is None:
            return False
        kind, payload = frame
        if kind == 'F':
            for _ in range(int(payload)):
                self.fork()
        elif kind == 'S':
            pid, grace_ms = json.loads(payload)
            if pid in self.children:
                self.children[pid].grace_until = time.monotonic() + grace_ms / 1000
        elif kind == 'P':
            self.to_preload += [name for name in json.loads(payload) if name not in self.to_preload]
        return True

    def fork(self):
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        counts = Counts()
        try:
            pid = os.fork()
        except OSError as error:
            for descriptor in (out_read, out_write, err_read, err_write):
                os.close(descriptor)
            self.channel.send('N', str(error).encode())
            return
        if pid == 0:
            try:
                gc.enable()
                for descriptor in (*self.readers, *self.own_descriptors, out_read, err_read):
                    os.close(descriptor)
                child.live(self.settings, self.generation, out_write, err_write, counts, self.voice)
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(70)  # Never come back into the fork server's loop.
        os.close(out_write)
        os.close(err_write)
        forked = Child(pid, out_read, err_read, counts)
        self.children[pid] = forked
        for descriptor in (out_read, err_read):
            os.set_blocking(descriptor, False)
            self.readers[descriptor] = forked
            self.poll.register(descriptor, select.POLLIN)

    def relay(self, descriptor):
        """Passes on what waits in one pipe; False when there is nothing (more) to read."""
        owner = self.readers[descriptor]
        waiting = unread(descriptor)
        # Counted before it is read: a child that finds its pipe empty also finds the count complete.
        lines_before = owner.counts.relay(waiting)
        try:
            data = os.read(descriptor, waiting or 1)
        except BlockingIOError:
            return False
        if not data:
            self.close_pipe(descriptor)
            return False
        self.channel.send('O', owner.pid.to_bytes(4, 'big') + bytes([owner.pipes[descriptor]]) + lines_before + data)
        return True

    def close_pipe(self, descriptor):
        self.poll.unregister(descriptor)
        del self.readers[descriptor].pipes[descriptor]
        del self.readers[descriptor]
        os.close(descriptor)

    def has_grace(self, pid):
        """Whether a child was told to stop. The worker says so here before it signals, so its word has come before the end has."""
        while self.letterbox.poll(0) and self.obey():
            pass
        return self.children[pid].grace_until > 0

    def reap(self):
        for pid, end in process_group.ended_children(self.children, self.has_grace):
            dead = self.children.pop(pid)
            dead.end = end
            dead.give_up_at = max(time.monotonic(), dead.grace_until) + LINGER_SECONDS
            self.lingering.append(dead)
        for dead in list(self.lingering):
            if process_group.is_gone(dead.pid) or time.monotonic() > dead.give_up_at:
                self.lingering.remove(dead)
                self.report_end(dead)

    def report_end(self, dead):
        for descriptor in list(dead.pipes):
            while self.relay(descriptor):
                pass
            if descriptor in dead.pipes:  # A process that left the group may hold the pipe open: don't wait for it.
                self.close_pipe(descriptor)
        self.channel.send('X', json.dumps({'pid': dead.pid, **dead.end}).encode())
        dead.counts.close()

    def preload_next(self):
        name = self.to_preload.pop(0)
        if name in sys.modules or not preload.is_safe(name):
            return
        try:
            __import__(name)
        except Exception:
            return  # A block that imports it will tell.
        gc.collect()
        gc.freeze()  # Keeps the collector from touching, and so copying, the pages shared with every child.
        self.generation += 1
        self.announce('G')

    def announce(self, kind):
        facts = {'python': sys.version.split()[0], 'generation': self.generation, 'modules': preload.loaded()}
        self.channel.send(kind, json.dumps(facts).encode())


def main():
    settings = json.loads(sys.argv[1])
    if sys.version_info < (3, 9):
        sys.exit('Penstock needs Python 3.9 or newer; this is %s (%s).' % (sys.version.split()[0], sys.executable))
    sys.argv = ['']
    channel = Channel(socket.socket(fileno=3))
    child.prepare_paths(settings)
    settings['address'] = keep_address(settings['socket'])
    process_group.adopt_orphans()
    voice = streams.Voice()
    child.practise(settings, voice)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        ForkServer(channel, settings, voice).serve()
    except BrokenPipeError:
        pass  # The worker is gone.


def keep_address(path):
    """Holds the worker's socket open by its inode, so that the worker can take its file away and leave nothing behind."""
    try:
        return '/proc/self/fd/%d' % os.open(path, os.O_PATH)
    except (AttributeError, OSError):
        return path


if __name__ == '__main__':
    main()
