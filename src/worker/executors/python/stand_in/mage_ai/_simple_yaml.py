"""Reads YAML: with PyYAML where it is installed, else the part that configuration files are written in: mappings by
indentation, with plain or quoted values."""

import re

ENTRY = re.compile(r'''^(\s*)("[^"]*"|'[^']*'|[^\s:#][^:#]*?)\s*:(?:\s+(.*?))?\s*$''')
SCALARS = {'': None, '~': None, 'null': None, 'true': True, 'false': False, '{}': {}, '[]': []}


def load_yaml(text, path):
    """The document as Python values. Raises ValueError, naming file and line, for what it does not understand."""
    try:
        import yaml
    except ImportError:
        return _Reader(text, path).read()
    return yaml.safe_load(text)


class _Reader:
    def __init__(self, text, path):
        self.path = path
        lines = enumerate(text.splitlines(), 1)
        self.lines = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith(('#', '---'))]

    def read(self):
        return self._mapping(0) if self.lines else None

    def _mapping(self, indent):
        found = {}
        while self.lines:
            number, line = self.lines[0]
            match = ENTRY.match(line)
            if match is None:
                self._refuse(number, line)
            depth = len(match.group(1))
            if depth < indent:
                break
            if depth > indent:
                self._refuse(number, line)
            self.lines.pop(0)
            value = _without_comment(match.group(3) or '')
            if value == '' and self.lines and _depth(self.lines[0][1]) > indent:
                found[_scalar(match.group(2))] = self._mapping(_depth(self.lines[0][1]))
            elif value[:1] in ('|', '>', '&', '*', '!') or (value[:1] in '[{' and value not in SCALARS):
                self._refuse(number, line)
            else:
                found[_scalar(match.group(2))] = _scalar(value)
        return found

    def _refuse(self, number, line):
        raise ValueError(
            '%s, line %d: `%s` needs a full YAML reader. Install one for the blocks: pip install pyyaml.'
            % (self.path, number, line.strip())
        )


def _depth(line):
    return len(line) - len(line.lstrip())


def _without_comment(value):
    if value[:1] in ('"', "'"):
        end = value.find(value[0], 1)
        return value[: end + 1] if end > 0 else value
    return re.sub(r'(^|\s)#.*$', '', value).strip()


def _scalar(text):
    if len(text) > 1 and text[0] == text[-1] and text[0] in ('"', "'"):
        return text[1:-1]
    if text.lower() in SCALARS:
        return SCALARS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
