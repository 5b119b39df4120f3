"""A JSON form of nearly anything, for people and other languages: beside the pickle of a value that JSON can't carry exactly.

Apart from jsonable.py because few outputs need it, and every import makes every fork dearer.
"""

import base64
import datetime
import decimal
import enum
import math
import uuid

from .jsonable import MOST_BITS


class NotReadable(Exception):
    """There is no sensible JSON form of the value."""


def readable(value, depth=0):
    """A JSON form that people and other languages can read: NaN → null, dates → ISO 8601, bytes → base64, sets and tuples
    → lists, tables → lists of rows. Raises NotReadable."""
    if depth > 100:
        raise NotReadable
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return readable(value.value, depth + 1)
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise NotReadable
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value).encode('utf-8', 'replace').decode()
    if isinstance(value, dict):
        return {_key(key): readable(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [readable(each, depth + 1) for each in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return None if value != value else value.isoformat()  # pandas' NaT is not equal to itself.
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return _readable_library_value(value, depth)


def _readable_library_value(value, depth):
    module = type(value).__module__.partition('.')[0]
    if module == 'numpy' and hasattr(value, 'tolist'):
        return readable(value.tolist(), depth + 1)
    if module == 'pandas' and hasattr(value, 'to_dict'):
        return readable(value.to_dict('records') if hasattr(value, 'columns') else value.tolist(), depth + 1)
    if module == 'polars' and hasattr(value, 'to_dicts'):
        return readable(value.to_dicts(), depth + 1)
    if module == 'polars' and hasattr(value, 'to_list'):
        return readable(value.to_list(), depth + 1)
    raise NotReadable


def _key(key):
    if isinstance(key, str):
        return key.encode('utf-8', 'replace').decode()
    return str(key)
