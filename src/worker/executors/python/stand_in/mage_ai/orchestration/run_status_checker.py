from mage_ai._not_available import not_available


def check_status(pipeline_uuid, *args, **kwargs):
    """Whether a run of another pipeline has completed. Not in this version: raises NotAvailableError."""
    not_available(
        'check_status(%r) from within a block' % pipeline_uuid, 'Ask the API for the runs of that pipeline instead.'
    )
