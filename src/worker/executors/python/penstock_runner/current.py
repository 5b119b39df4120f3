"""The attempt this process runs, for the stand-in package mage_ai: functions like get_repo_path() take no such argument."""


class Attempt:
    task = None
    repo_path = None
    inputs = ()
    channel = None


attempt = Attempt()


def set_attempt(task, settings, inputs):
    attempt.task = task
    attempt.repo_path = settings['projectDir']
    attempt.inputs = inputs
