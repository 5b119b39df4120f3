"""What a block's code asks of its worker while it runs: over the attempt's own connection, so that a block needs no token."""

import json
import threading

from . import current
from .errors import CallRefusedError

_lock = threading.Lock()
_asked = 0
_answered = 0


def ask(request):
    """The worker's answer to a request (src/worker/block-requests.ts). Raises CallRefusedError with the worker's sentence."""
    global _asked, _answered
    channel = current.attempt.channel
    if channel is None:
        raise CallRefusedError('This can only be called by a block while it runs.')
    with _lock:  # One thread at a time: answers come on the same connection.
        _asked += 1
        request = json.dumps({**request, 'id': _asked}, default=str, allow_nan=False)
        channel.send('Q', request.encode())
        reply = _answer_to(_asked, channel)
        _answered = _asked
    if not reply['ok']:
        raise CallRefusedError(reply['message'])
    return reply['value']


def waits():
    """Whether an answer may still come."""
    return _answered != _asked


def _answer_to(number, channel):
    """An earlier question may have been given up, by a stop for instance: its answer is passed over."""
    while True:
        frame = channel.receive()
        if frame is None:
            raise CallRefusedError('The worker is gone.')
        reply = json.loads(frame[1])
        if reply['id'] == number:
            return reply
