"""What a block's function is called with: one positional argument per upstream, then names."""

import builtins
import inspect
from types import SimpleNamespace

from .errors import BlockArgumentsError
from .variables import python_values

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def keywords(task, settings, logger):
    """Everything a function may ask for by name."""
    return {
        **python_values(task['variables'], task['timezone']),
        'configuration': task['configuration'],
        'context': {'attempt': task['attempt'], 'fence': task['fence']},
        'pipeline_uuid': task['pipelineUuid'],
        'block_uuid': task['blockUuid'],
        'repo_path': settings['projectDir'],
        'logger': logger,
        'retry': {'attempts': task['retryAttempt']},
        **_of_parent(task),
    }


def _of_parent(task):
    """What a conditional or callback is told besides: the block it is attached to, and the run, as an object."""
    parent = task.get('parent')
    if parent is None:
        return {}
    variables = python_values(task['variables'], task['timezone'])
    run = SimpleNamespace(
        id=task['pipelineRunId'],
        status=parent['runStatus'],
        execution_date=variables.get('execution_date'),
        variables=variables,
        pipeline_uuid=task['pipelineUuid'],
    )
    told = {'parent_block_uuid': parent['blockUuid'], 'pipeline_run': run}
    error = (parent.get('callback') or {}).get('error')
    return told if error is None else {**told, '__error': _exception(error)}


def _exception(error):
    """What the block raised, as near as another process can know it: of the same type where that is a built-in one."""
    kind = getattr(builtins, error['type'] or '', None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return Exception(error['message'])
    try:
        return kind(error['message'])
    except TypeError:  # UnicodeDecodeError and its like want more than a message.
        return Exception(error['message'])


def for_function(function, inputs, names, task):
    """(args, kwargs) for a block's main function.

    Raises BlockArgumentsError, naming the block and both counts, when its parameters don't fit its upstream blocks.
    """
    shape = Shape(function)
    if shape.unknown:
        return list(inputs), dict(names)
    if len(inputs) > len(shape.positional) and not shape.takes_rest:
        raise BlockArgumentsError(_misfit(function, shape, task))
    beyond = shape.positional[len(inputs):]
    missing = [each.name for each in beyond if _required(each) and each.name not in names]
    if missing:
        raise BlockArgumentsError(_misfit(function, shape, task))
    args = list(inputs)
    for each in beyond:  # Positional-only ones can't be filled by name, so all are filled by place as far as known.
        if each.name not in names:
            break
        args.append(names[each.name])
    return args, shape.keywords(names, args)


def for_test(function, values, names):
    """(args, kwargs) for a @test function: the outputs; None stands for "no output" when it wants one."""
    shape = Shape(function)
    args = list(values)
    if not args and shape.positional and _required(shape.positional[0]):
        args = [None]
    return args, shape.keywords(names, args)


def as_many_as_taken(function, inputs, names):
    """(args, kwargs) for sensors, conditions and callbacks, which may take fewer arguments than there are."""
    shape = Shape(function)
    args = list(inputs) if shape.takes_rest or shape.unknown else list(inputs)[: len(shape.positional)]
    return args, shape.keywords(names, args)


class Shape:
    """The parameters of a function; `unknown` for callables that don't tell."""

    def __init__(self, function):
        try:
            parameters = list(inspect.signature(function).parameters.values())
            self.unknown = False
        except (TypeError, ValueError):
            parameters, self.unknown = [], True
        self.positional = [each for each in parameters if each.kind in POSITIONAL]
        self.keyword_only = [each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
        self.takes_rest = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
        self.takes_names = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)

    def keywords(self, names, args):
        """Of `names`, what the function takes and `args` have not filled already."""
        filled = {each.name for each in self.positional[: len(args)]}
        if self.takes_names or self.unknown:
            return {name: value for name, value in names.items() if name not in filled}
        open_names = {each.name for each in (*self.positional, *self.keyword_only)} - filled
        return {name: names[name] for name in open_names if name in names}


def _required(parameter):
    return parameter.default is inspect.Parameter.empty


def _misfit(function, shape, task):
    upstreams = [each['blockUuid'] for each in task['inputs']]
    takes = [each.name for each in shape.positional]
    return (
        'Block `%s` has %s%s, but its function %s() takes %s%s. '
        'It gets one positional argument per upstream block, in their order.'
        % (
            task['blockUuid'],
            _count(len(upstreams), 'upstream block'),
            ' (%s)' % ', '.join(upstreams) if upstreams else '',
            getattr(function, '__name__', 'that runs'),
            _count(len(takes), 'positional argument'),
            ' (%s)' % ', '.join(takes) if takes else '',
        )
    )


def _count(number, noun):
    return '%s %s%s' % (number or 'no', noun, '' if number == 1 else 's')
