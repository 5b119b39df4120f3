import logging
import os


def get_secret_value(name, *args, **kwargs):
    """The environment variable of that name: Penstock keeps no secrets of its own. None, with a warning, when not set."""
    value = os.environ.get(name)
    if value is None:
        logging.warning('The secret %s is not set: set the environment variable of that name where the worker runs.', name)
    return value
