from mage_ai._not_available import not_available


def trigger_pipeline(pipeline_uuid, *args, **kwargs):
    """Starts a run of another pipeline. Not in this version: raises NotAvailableError."""
    not_available(
        'trigger_pipeline(%r) from within a block' % pipeline_uuid,
        'Start that pipeline by its own trigger or over the API.',
    )
