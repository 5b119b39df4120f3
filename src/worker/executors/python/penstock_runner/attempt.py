"""One attempt: inputs in, the block's function called, outputs stored, tests run, everything told as one JSON-able result."""

import json

from . import arguments, block_modules, current, decorators, errors, inputs, outputs
from .block_logger import BlockLogger
from .errors import NoDecoratedFunctionError


class StopRequested(SystemExit):
    """Raised in the block's main thread by SIGTERM, so that `finally` and `with` clean up."""


def run(task, settings, speaker):
    """The result of a task. Whatever the block raises is in it; only a requested stop is raised on."""
    result = {'status': 'completed', 'error': None, 'outputs': [], 'tests': []}
    try:
        MODES[task['mode']](Block(task, settings, speaker), result)
    except StopRequested:
        raise
    except BaseException as error:
        result['status'] = 'failed'
        result['error'] = errors.describe(error)
    return result


def stopped():
    return {'status': 'stopped', 'error': None, 'outputs': [], 'tests': []}


class Block:
    """A block's code, executed once with its inputs at hand, and its decorated functions."""

    def __init__(self, task, settings, speaker):
        self.task = task
        self.uuid = task['blockUuid']
        self.logger = BlockLogger(speaker)
        self.inputs = [inputs.load(each, task['outputsRoot']) for each in task['inputs']]
        self.keywords = arguments.keywords(task, settings, self.logger)
        current.set_attempt(task, settings, self.inputs)
        block_modules.execute(task, self.inputs)

    def functions(self, kind):
        return [each for each in decorators.registered() if each.kind == kind]

    def first(self, kind):
        """The first function with that decorator; others with it are ignored, as Mage does."""
        found = self.functions(kind)
        if found:
            return found[0].function
        others = ', '.join('@%s on %s' % (each.kind, _name(each.function)) for each in decorators.registered())
        raise NoDecoratedFunctionError(
            'Block `%s` has no function decorated with @%s%s. Put @%s above the function that should run.'
            % (self.uuid, kind, ' (found %s)' % others if others else '', kind)
        )


def _run_block(block, result):
    function = block.first(block.task['blockType'])
    args, keywords = arguments.for_function(function, block.inputs, block.keywords, block.task)
    values = outputs.values_of(function(*args, **keywords))
    result['outputs'] = outputs.store(values, block.task, block.logger)
    _run_tests(block, values, result)


def _run_tests(block, values, result):
    """All tests run, also after one has failed."""
    for each in block.functions('test'):
        args, keywords = arguments.for_test(each.function, values, block.keywords)
        message = None
        try:
            each.function(*args, **keywords)
        except StopRequested:
            raise
        except BaseException as error:
            message = errors.one_line(error)
            block.logger.error('Test %s failed: %s' % (_name(each.function), message), error=errors.trimmed(error))
        result['tests'].append({'name': _name(each.function), 'passed': message is None, 'message': message})
    if not all(test['passed'] for test in result['tests']):
        result['status'] = 'tests_failed'


def _run_sensor(block, result):
    """Asks once: between two calls a sensor holds no process. It hands on nothing."""
    function = block.first('sensor')
    args, keywords = arguments.as_many_as_taken(function, block.inputs, block.keywords)
    if not function(*args, **keywords):
        result['status'] = 'not_yet'


def _run_condition(block, result):
    """True when every @condition function says so; the answer is the only output."""
    answers = _ask_each(block, block.functions('condition') or [block.first('condition')])
    result['outputs'] = outputs.store([all(answers)], block.task, block.logger)


def _run_callback(block, result):
    """Every callback for the way in which the block ended: success, failure or cancelled."""
    status = block.task['parent']['callback']['status']
    legacy = {'success': 'on_success', 'failure': 'on_failure'}.get(status)
    _ask_each(block, [
        each for each in decorators.registered()
        if each.kind == legacy or (each.kind == 'callback' and (each.options or ('success',))[0] == status)
    ])


def _ask_each(block, registered):
    """What each says. All are called, also after one has raised; then the first error is raised."""
    answers, first = [], None
    for each in registered:
        args, keywords = arguments.as_many_as_taken(each.function, block.inputs, block.keywords)
        try:
            answers.append(each.function(*args, **keywords))
        except StopRequested:
            raise
        except BaseException as error:
            if first is not None:
                block.logger.error('%s failed: %s' % (_name(each.function), errors.one_line(error)), error=errors.trimmed(error))
            first = first or error
    if first is not None:
        raise first
    return answers


MODES = {'block': _run_block, 'sensor': _run_sensor, 'condition': _run_condition, 'callback': _run_callback}


def _name(function):
    return getattr(function, '__name__', repr(function))


WHOLE_WAY = """
@custom
def rehearse(one, *args, **kwargs):
    return {'rows': one}

@test
def check(output, *args):
    assert output is not None
"""
SHORT_WAY = """
@custom
def rehearse(*args):
    pass
"""


def rehearsal(code):
    """The task of a rehearsal, as it would come from the worker."""
    return json.dumps({
        'mode': 'block', 'blockType': 'custom', 'blockUuid': 'rehearsal', 'pipelineUuid': '', 'file': '<rehearsal>',
        'code': code, 'configuration': {}, 'variables': {'execution_date': '2024-01-01T00:00:00Z'}, 'timezone': None,
        'attempt': 1, 'retryAttempt': 1, 'fence': 1, 'outputsRoot': '', 'outputPath': '',
        'inputs': [{'blockUuid': 'before', 'status': 'completed', 'outputs': [
            {'name': 'output_0', 'format': 'json', 'path': '', 'file': '', 'inline': 1}] if code is WHOLE_WAY else []}],
    })  # fmt: skip


def rehearse(task, settings, speaker):
    """Runs a block that does nothing, and forgets it."""
    result = run(task, settings, speaker)
    block_modules.forget('rehearsal')
    decorators.forget()
    if result['status'] != 'completed':
        raise RuntimeError('The Python runner is broken: %s' % result['error'])
    return result
