from datetime import datetime
from types import SimpleNamespace

from penstock_runner.asking import ask
from penstock_runner.errors import ChildRunError

STILL_GOING = ('initial', 'running')


def trigger_pipeline(
    pipeline_uuid,
    variables=None,
    check_status=False,
    error_on_failure=False,
    poll_interval=None,
    poll_timeout=None,
    schedule_name=None,
    verbose=True,
    **_,
):
    """Starts a run of another pipeline and gives it: an object with id, pipeline_uuid, status, execution_date, variables.

    With `check_status` it waits for the run's end, or `poll_timeout` seconds and then raises TimeoutError; the block holds no
    worker slot meanwhile, and if it ends before the run does, the run is cancelled. With `error_on_failure` besides, a run that
    does not complete raises ChildRunError. The worker tells the end, so `poll_interval` has no meaning here.
    """
    variables = dict(variables or {})
    if verbose:
        print('Triggering a run of pipeline %s.' % pipeline_uuid)
    told = ask(
        {
            'method': 'triggerPipeline',
            'pipelineUuid': pipeline_uuid,
            'variables': variables,
            'triggerName': schedule_name,
            'waits': bool(check_status),
            'patienceSeconds': poll_timeout,
        }
    )
    name = 'run_%s of pipeline %s' % (told['pipelineRunId'], pipeline_uuid)
    status = told['status']
    if verbose:
        print('%s is %s.' % (name, status))
    if check_status and status in STILL_GOING:
        raise TimeoutError('%s has not ended within %s seconds.' % (name, poll_timeout))
    if check_status and error_on_failure and status != 'completed':
        raise ChildRunError('%s is %s: %s' % (name, status, told['reason']))
    return SimpleNamespace(
        id=told['pipelineRunId'],
        pipeline_uuid=pipeline_uuid,
        status=status,
        execution_date=datetime.fromisoformat(told['executionDate'].replace('Z', '')),
        variables=variables,
    )
