from mage_ai.io._clients import client

Druid = client('Druid', 'pydruid')
