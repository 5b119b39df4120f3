from mage_ai.io._clients import client

Pinot = client('Pinot', 'pinotdb')
