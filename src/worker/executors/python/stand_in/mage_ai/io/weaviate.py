from mage_ai.io._clients import client

Weaviate = client('Weaviate', 'weaviate-client')
