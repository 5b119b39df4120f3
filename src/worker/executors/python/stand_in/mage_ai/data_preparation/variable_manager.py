import os

from mage_ai._not_available import not_available
from mage_ai._simple_yaml import load_yaml
from penstock_runner import current


def get_variable(pipeline_uuid, block_uuid, variable_name=None, **kwargs):
    """Output of an upstream block of this run, by name ('output_0'); all of it when no name is given."""
    task = current.attempt.task
    if pipeline_uuid == task['pipelineUuid']:
        for each, value in zip(task['inputs'], current.attempt.inputs):
            if each['blockUuid'] == block_uuid:
                return _named(value, each['outputs'], variable_name)
    not_available(
        'get_variable() of `%s` in pipeline `%s`' % (block_uuid, pipeline_uuid),
        'It reads the outputs of upstream blocks of the same run only: make that block an upstream block.',
    )


def get_global_variable(pipeline_uuid, key, **kwargs):
    """A variable of a pipeline: in the block's own pipeline as this run has it. None when it is not set."""
    task = current.attempt.task
    if pipeline_uuid == task['pipelineUuid']:
        return task['variables'].get(key)
    return (_definition(pipeline_uuid).get('variables') or {}).get(key)


def get_global_variables(pipeline_uuid, **kwargs):
    task = current.attempt.task
    if pipeline_uuid == task['pipelineUuid']:
        return dict(task['variables'])
    return dict(_definition(pipeline_uuid).get('variables') or {})


def _named(value, outputs, name):
    names = [each['name'] for each in outputs]
    if name is None or names == [name]:
        return value
    if name in names:
        return value[names.index(name)]
    return None


def _definition(pipeline_uuid):
    path = os.path.join(current.attempt.repo_path, 'pipelines', pipeline_uuid, 'metadata.yaml')
    with open(path, encoding='utf-8') as file:
        return load_yaml(file.read(), path) or {}
