from mage_ai.io._clients import client

Trino = client('Trino', 'trino')
