"""What the fork server imports ahead, so that a block's `import pandas` costs nothing.

Only what the project uses: found by looking for the imports in its files, and learnt from finished attempts. For every
module that is there makes every fork dearer.
"""

import importlib.util
import os
import re
import stat
import sys
import time

# Parts of the standard library that few blocks need, the runner itself among them (outputs.py, inputs.py, arguments.py).
STANDARD = ('array', 'ast', 'base64', 'csv', 'decimal', 'inspect', 'pickle', 'socket', 'uuid')
# polars is left out on purpose: importing it starts threads that a forked child would not have.
LIBRARIES = ('numpy', 'pyarrow', 'pandas')
CANDIDATES = (*STANDARD, *LIBRARIES)
BRINGS = {
    **{name: (name,) for name in STANDARD},
    'pandas': LIBRARIES,
    'pyarrow': ('numpy', 'pyarrow'),
    'numpy': ('numpy',),
}
STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
MOST_FILES = 2000
MOST_BYTES = 4 * 1024 * 1024
MOST_SECONDS = 1.0  # The first block waits for this, and a folder of data may lie on a slow disk.
SKIPPED_FOLDERS = {'node_modules', 'venv', 'site-packages', '__pycache__'}
IMPORTS = re.compile(r'^\s*(?:import|from)\s+(%s)\b' % '|'.join(CANDIDATES), re.MULTILINE)

# These keep the allocators of pyarrow from starting a background thread at import.
os.environ.setdefault('JE_ARROW_MALLOC_CONF', 'background_thread:false')


def used_by_project(folder):
    """Names of the candidates that some Python file of the project imports, in the order of importing."""
    found = set()
    for path in _python_files(folder):
        try:
            status = os.stat(path)
            # To open a pipe named like a block would wait for ever for somebody who writes into it.
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
                continue
            with open(path, encoding='utf-8', errors='replace') as file:
                found.update(IMPORTS.findall(file.read()))
        except OSError:
            continue
    return [name for name in CANDIDATES if any(name in BRINGS[user] for user in found)]


def hidden_by_project(folders):
    """Of the standard library, what files of the project would hide if it were imported after they can be."""
    return [
        name
        for name in STANDARD
        if any(os.path.exists(os.path.join(folder, each)) for folder in folders for each in (name, name + '.py'))
    ]


def loaded():
    return [name for name in CANDIDATES if name in sys.modules]


def is_safe(name):
    """Whether a process that imported the module is single-threaded when it forks. Tried in a process of its own, unless it is
    of the standard library."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    if spec is None or name in STANDARD:
        # A file of the project that has the same name is code of the project: not to be run here.
        return spec is not None and (spec.origin or '').startswith(STANDARD_LIBRARY)
    pid = os.fork()
    if pid == 0:
        try:
            _silence()
            __import__(name)
            os._exit(0 if _threads_when_forking() == 1 else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def _threads_when_forking():
    # OpenBLAS ends its threads in a fork handler, so they are counted after a fork.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    try:
        return len(os.listdir('/proc/self/task'))
    except OSError:
        return 1


def _silence():
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _python_files(folder):
    seen = 0
    deadline = time.monotonic() + MOST_SECONDS
    for parent, folders, files in os.walk(folder):
        if time.monotonic() > deadline:
            return
        folders[:] = [name for name in folders if not name.startswith('.') and name not in SKIPPED_FOLDERS]
        for name in files:
            if name.endswith('.py'):
                seen += 1
                if seen > MOST_FILES:
                    return
                yield os.path.join(parent, name)
