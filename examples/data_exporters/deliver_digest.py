if 'data_exporter' not in globals():
    from mage_ai.data_preparation.decorators import data_exporter


@data_exporter
def deliver_digest(digest, *args, **kwargs):
    """Stands for a call to a service that is sometimes down: the variable `fail` says when."""
    print(f"Delivering, attempt {kwargs['retry']['attempts']}: {digest}")
    if kwargs.get('fail'):
        raise ConnectionError('the mail server does not answer (the variable "fail" is set)')
    return {'delivered': digest, 'characters': len(digest)}
