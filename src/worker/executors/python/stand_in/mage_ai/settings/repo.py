from penstock_runner import current


def get_repo_path(*args, **kwargs):
    """Absolute path of the project."""
    return current.attempt.repo_path


def get_repo_name(*args, **kwargs):
    """Name of the project's folder."""
    return current.attempt.repo_path.rstrip('/').rpartition('/')[2]
