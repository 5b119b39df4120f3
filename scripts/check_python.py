"""Reads every Python file below the given folders and names each one that is no Python. Writes nothing, imports nothing."""
import pathlib
import sys

bad = 0
for folder in sys.argv[1:]:
    for file in sorted(pathlib.Path(folder).rglob("*.py")):
        try:
            compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            bad += 1
            print(f"{file}:{getattr(error, 'lineno', None) or 1}: {error}")
sys.exit(1 if bad else 0)
