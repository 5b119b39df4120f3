from penstock_runner.decorators import *  # noqa: F403
