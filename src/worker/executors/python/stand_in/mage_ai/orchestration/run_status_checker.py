from datetime import timezone

from penstock_runner.asking import ask


def check_status(pipeline_uuid, execution_date, block_uuid=None, hours=24):
    """Whether the newest run of a pipeline for a logical date in the `hours` up to `execution_date` has completed, or one of its
    blocks has. Raises when there is no such pipeline or block."""
    if execution_date.tzinfo is None:
        execution_date = execution_date.replace(tzinfo=timezone.utc)
    return ask(
        {
            'method': 'hasCompleted',
            'pipelineUuid': pipeline_uuid,
            'blockUuid': block_uuid,
            'executionDate': execution_date.isoformat(),
            'hours': hours,
        }
    )
