class NotAvailableError(NotImplementedError):
    """Something of Mage's that this version of Penstock does not do."""


def not_available(what, remedy=''):
    """Raises NotAvailableError with a sentence."""
    raise NotAvailableError(('%s is not available in this version of Penstock. %s' % (what, remedy)).strip())
