"""A stand-in for what ordinary projects import from Mage, so that their blocks run without the mage-ai package.

It is the last entry of `sys.path`: a project that has the real mage_ai installed gets that one.
"""
