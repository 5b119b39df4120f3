"""What a block's function is called with: one positional argument per upstream, then names."""

import builtins
from types import FunctionType, SimpleNamespace

from .errors import BlockArgumentsError
from .variables import python_values

# Of code objects: inspect.CO_VARARGS and CO_VARKEYWORDS.
VARARGS, VARKEYWORDS = 0x04, 0x08


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
    for name in shape.positional[len(inputs) : shape.required]:
        if name not in names:
            raise BlockArgumentsError(_misfit(function, shape, task))
    args = list(inputs)
    for name in shape.positional[len(inputs) :]:
        # Positional-only ones can't be filled by name, so all are filled by place as far as known.
        if name not in names:
            break
        args.append(names[name])
    return args, shape.keywords(names, args)


def for_test(function, values, names):
    """(args, kwargs) for a @test function: the outputs; None stands for "no output" when it wants one."""
    shape = Shape(function)
    args = list(values)
    if not args and shape.required:
        args = [None]
    return args, shape.keywords(names, args)


def as_many_as_taken(function, inputs, names):
    """(args, kwargs) for sensors, conditions and callbacks, which may take fewer arguments than there are."""
    shape = Shape(function)
    args = list(inputs) if shape.takes_rest or shape.unknown else list(inputs)[: len(shape.positional)]
    return args, shape.keywords(names, args)


class Shape:
    """The parameters of a function, by name; `unknown` for callables that don't tell."""

    def __init__(self, function):
        self.unknown = False
        if type(function) is FunctionType and not function.__dict__:
            self._of_code(function)
        else:
            self._of_signature(function)

    def _of_code(self, function):
        """A plain function says it itself, ten times faster than inspect.signature does."""
        code, count = function.__code__, function.__code__.co_argcount
        names = code.co_varnames
        self.positional = names[:count]
        self.required = count - len(function.__defaults__ or ())
        self.keyword_only = names[count : count + code.co_kwonlyargcount]
        self.takes_rest = bool(code.co_flags & VARARGS)
        self.takes_names = bool(code.co_flags & VARKEYWORDS)

    def _of_signature(self, function):
        import inspect

        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters, self.unknown = [], True
        positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        self.positional = tuple(each.name for each in positional)
        self.required = sum(each.default is each.empty for each in positional)
        self.keyword_only = tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)
        self.takes_rest = any(each.kind is each.VAR_POSITIONAL for each in parameters)
        self.takes_names = any(each.kind is each.VAR_KEYWORD for each in parameters)

    def keywords(self, names, args):
        """Of `names`, what the function takes and `args` have not filled already."""
        filled = self.positional[: len(args)]
        if self.takes_names or self.unknown:
            return {name: value for name, value in names.items() if name not in filled}
        return {name: names[name] for name in self.positional[len(args) :] + self.keyword_only if name in names}


def _misfit(function, shape, task):
    upstreams = [each['blockUuid'] for each in task['inputs']]
    takes = shape.positional
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
