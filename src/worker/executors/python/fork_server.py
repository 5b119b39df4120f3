"""The fork server: one warm Python that forks a fresh process for every attempt.

Started by src/worker/executors/python-fork-server.ts, which speaks with it over file descriptor 3 (see
penstock_runner/frames.py). It never runs a line of a project's code itself: only its children do, each for one attempt.
It must be single-threaded whenever it forks, because a lock held by another thread would stay locked in the child for ever.

It also stands between the worker and what its children leave behind: it passes on what they and their subprocesses write
to the file descriptors 1 and 2, and reports a child's end only when nothing of its process group lives any more.
"""

import _socket
import gc
import json
import os
import select
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True  # Our own folder may be read-only, and is no place for caches.
from penstock_runner import child, fork_hooks, preload, process_group, streams  # noqa: E402
from penstock_runner.frames import Channel  # noqa: E402
from penstock_runner.ledger import LAST_WORD, TASK_BEGUN, Ledger  # noqa: E402
from penstock_runner.pipes import unread  # noqa: E402

sys.dont_write_bytecode = False

STDOUT, STDERR = 0, 1
IDLE_MS_BEFORE_PRELOAD = 30
# Where there is no such moment, what is asked for is imported in the middle of the work: else every block would import it for itself.
BUSY_SECONDS_BEFORE_PRELOAD = 1.0
LINGER_SECONDS = 2.0
GRACE_LOOK_MS = 10


class Child:
    """A forked process: the read ends of its stdout and stderr, its connection to the worker, and what is known of its end."""

    def __init__(self, pid, stdout, stderr, connection, ledger):
        self.pid = pid
        self.connection = connection
        self.ledger = ledger
        self.pipes = {stdout: STDOUT, stderr: STDERR}
        self.end = None
        self.give_up_at = 0.0
        self.grace_until = 0.0  # Set when it was told to stop: until then its group is left alone.


class ForkServer:
    def __init__(self, channel, settings, voice, address_descriptor):
        self.channel = channel
        self.voice = voice
        self.settings = settings
        self.generation = 0
        self.children = {}  # pid → Child
        self.readers = {}  # file descriptor → Child
        self.connections = []  # to the worker, that wait for a child
        self.to_close = {address_descriptor} - {None}  # every descriptor that is no child's business
        self.lingering = []  # children that are dead while others of their group still die
        self.to_preload = []
        self.preload_by = 0.0  # When it has waited long enough for an idle moment.
        self.poll = select.poll()
        self.letterbox = select.poll()

    def serve(self):
        wake, self.wake_end = os.pipe()
        for descriptor in (wake, self.wake_end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self.wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.to_close.update((wake, self.wake_end))
        self.poll.register(wake, select.POLLIN)
        self.poll.register(self.channel.fileno(), select.POLLIN)
        self.letterbox.register(self.channel.fileno(), select.POLLIN)
        self.to_preload = preload.used_by_project(self.settings['projectDir'])
        self.wait_for_idleness()
        self.announce('Y')
        while True:
            ready = self.poll.poll(self.patience_ms())
            for descriptor, _ in ready:
                if descriptor == wake:
                    os.read(wake, 4096)
                elif descriptor == self.channel.fileno():
                    if not self.obey():
                        return
                elif descriptor in self.readers and not self.relay(descriptor):
                    self.close_pipe(descriptor)
            self.reap()
            if self.to_preload and (not ready and not self.lingering or time.monotonic() > self.preload_by):
                self.preload_next()

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
            self.wait_for_idleness()
        return True

    def fork(self):
        opened = []
        try:
            connection = self.connections.pop() if self.connections else self.connect()
            opened.append(connection)
            out_read, out_write = os.pipe()
            opened += (out_read, out_write)
            err_read, err_write = os.pipe()
            opened += (err_read, err_write)
            ledger = Ledger()
            pid = os.fork()
        except OSError as error:
            for descriptor in opened:
                os.close(descriptor)
            self.to_close.difference_update(opened)
            self.channel.send('N', str(error).encode())
            return
        self.to_close.update(opened)
        if pid == 0:
            try:
                gc.enable()
                child.live(
                    self.settings, self.generation, connection, out_write, err_write, self.to_close, self.channel, ledger,
                    self.voice,
                )  # fmt: skip
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(70)  # Never come back into the fork server's loop.
        for descriptor in (out_write, err_write):
            os.close(descriptor)
            self.to_close.discard(descriptor)
        forked = Child(pid, out_read, err_read, connection, ledger)
        self.children[pid] = forked
        for descriptor in (out_read, err_read):
            self.readers[descriptor] = forked
            self.poll.register(descriptor, select.POLLIN)

    def connect(self):
        """A new connection to the worker. Children use it one after the other, as long as each leaves it whole and silent."""
        connection = _socket.socket(_socket.AF_UNIX)
        connection.connect(self.settings['address'])
        return connection.detach()

    def relay(self, descriptor):
        """Passes on what waits in one pipe; False when there is nothing to read."""
        waiting = unread(descriptor)
        if waiting == 0:
            return False
        owner = self.readers[descriptor]
        # Counted before it is read: a child that finds its pipe empty also finds the count complete.
        lines_before = owner.ledger.relay(waiting)
        data = os.read(descriptor, waiting)
        self.channel.send('O', owner.pid.to_bytes(4, 'big') + bytes([owner.pipes[descriptor]]) + lines_before + data)
        return True

    def close_pipe(self, descriptor):
        self.poll.unregister(descriptor)
        del self.readers[descriptor].pipes[descriptor]
        del self.readers[descriptor]
        self.close(descriptor)

    def close(self, descriptor):
        self.to_close.discard(descriptor)
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
            self.close_pipe(descriptor)  # A process that left the group may hold the pipe open: it isn't waited for.
        if dead.ledger.has_come_to(LAST_WORD):
            self.connections.append(dead.connection)
        else:
            self.close(dead.connection)
        dead.end['hasBegun'] = dead.ledger.has_come_to(TASK_BEGUN)
        self.channel.send('X', json.dumps(dead.end).encode())
        dead.ledger.close()

    def bury_children(self):
        """Nobody outlives the fork server: neither who waits for a task, nor who has just said its last word."""
        for pid in self.children:
            process_group.bury(pid)

    def preload_next(self):
        """One library, or all at once of the standard library."""
        self.wait_for_idleness()
        first = self.to_preload.pop(0)
        names = [first]
        while first in preload.STANDARD and self.to_preload and self.to_preload[0] in preload.STANDARD:
            names.append(self.to_preload.pop(0))
        if not self.import_safely([name for name in names if name not in sys.modules]):
            return
        self.generation += 1
        self.announce('G')

    def wait_for_idleness(self):
        self.preload_by = time.monotonic() + BUSY_SECONDS_BEFORE_PRELOAD

    def import_safely(self, names):
        """Whether any could be imported."""
        before = len(sys.modules)
        fork_hooks.wake()
        for name in names:
            try:
                if preload.is_safe(name):
                    __import__(name)
            except Exception:
                pass  # A block that imports it will tell.
        self.voice.listen_to_logging()
        prepare_memory()
        return len(sys.modules) > before

    def announce(self, kind):
        facts = {'python': sys.version.split()[0], 'generation': self.generation, 'modules': preload.loaded()}
        self.channel.send(kind, json.dumps(facts).encode())


def main():
    settings = json.loads(sys.argv[1])
    if sys.version_info < (3, 9):
        sys.exit('Penstock needs Python 3.9 or newer; this is %s (%s).' % (sys.version.split()[0], sys.executable))
    sys.argv = ['']
    os.environ.pop('LD_BIND_NOW', None)
    channel = Channel(_socket.socket(fileno=3))
    child.prepare_paths(settings)
    settings['address'], address_descriptor = keep_address(settings['socket'])
    process_group.adopt_orphans()
    be_the_first_victim()
    voice = streams.Voice()
    child.practise(settings, voice.speaker, Ledger())
    prepare_memory()
    server = ForkServer(channel, settings, voice, address_descriptor)
    try:
        server.serve()
    except BrokenPipeError:
        pass  # The worker is gone.
    finally:
        server.bury_children()


def prepare_memory():
    """Keeps what every child shares from being touched, and so copied, by the collector and by Python's own fork handlers."""
    gc.collect()
    gc.freeze()
    gc.disable()
    fork_hooks.rest()


def be_the_first_victim():
    """When memory runs out, a block should go before the server and its database do. Children inherit it."""
    try:
        with open('/proc/self/oom_score_adj', 'w') as file:
            file.write('500')
    except OSError:
        pass


def keep_address(path):
    """Holds the worker's socket open by its inode, so that the worker can take its file away and leave nothing behind."""
    try:
        descriptor = os.open(path, os.O_PATH)
        return '/proc/self/fd/%d' % descriptor, descriptor
    except (AttributeError, OSError):
        return path, None


if __name__ == '__main__':
    main()
