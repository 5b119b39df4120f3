"""What JSON can carry, and how exactly.

Between Python blocks nothing may be lost, so JSON is used only for values it gives back as they were; the rest is pickled,
with a readable JSON copy beside for other languages and for people.
"""

import math

NO, IN_A_FILE, EVERYWHERE = 0, 1, 2
MOST_EXACT_INTEGER = 2**53 - 1
MOST_BITS = 10_000  # Python refuses to write out much longer integers.


def exactness(value):
    """EVERYWHERE: survives JavaScript and Postgres' jsonb as well (which keep neither the order of keys, nor 1.0 apart
    from 1, nor integers beyond 2^53). IN_A_FILE: survives json.dump and json.load. NO: does not."""
    try:
        return _exactness(value)
    except RecursionError:
        return NO


def _exactness(value):
    kind = type(value)
    if value is None or kind is bool:
        return EVERYWHERE
    if kind is int:
        if value.bit_length() > MOST_BITS:
            return NO
        return EVERYWHERE if abs(value) <= MOST_EXACT_INTEGER else IN_A_FILE
    if kind is float:
        if not math.isfinite(value):
            return NO
        return IN_A_FILE if value.is_integer() else EVERYWHERE
    if kind is str:
        return _text_exactness(value)
    if kind is list:
        return _least(map(_exactness, value))
    if kind is dict:
        return _dict_exactness(value)
    return NO


def _text_exactness(text):
    if text.isascii():
        return IN_A_FILE if '\0' in text else EVERYWHERE
    try:
        text.encode()
    except UnicodeEncodeError:  # Half a surrogate pair.
        return NO
    return IN_A_FILE if '\0' in text else EVERYWHERE


def _dict_exactness(value):
    for key in value:
        if type(key) is not str:
            return NO
    order = EVERYWHERE if len(value) < 2 or _keeps_order(list(value)) else IN_A_FILE
    return min(order, _least(map(_text_exactness, value)), _least(map(_exactness, value.values())))


def _keeps_order(keys):
    # jsonb sorts keys by length, then bytes; JavaScript puts keys that look like integers first.
    if any(key.isdigit() for key in keys):
        return False
    return keys == sorted(keys, key=lambda key: (len(key.encode('utf-8', 'replace')), key.encode('utf-8', 'replace')))


def _least(levels):
    least = EVERYWHERE
    for level in levels:
        if level == NO:
            return NO
        least = min(least, level)
    return least
