"""Classes of mage_ai.io for databases and clouds: they import fine and say on use what there is instead."""

from mage_ai._not_available import not_available


def client(name, package):
    """A class of that name which refuses to be made, telling which package a block can use itself."""

    def refuse(self, *args, **kwargs):
        not_available('mage_ai.io: %s' % name, 'Use the library itself in the block (pip install %s), or install mage-ai.' % package)

    return type(name, (), {'__init__': refuse, 'with_config': classmethod(refuse), '__doc__': refuse.__doc__})
