from mage_ai.io._clients import client

Qdrant = client('Qdrant', 'qdrant-client')
