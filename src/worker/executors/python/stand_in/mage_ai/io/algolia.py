from mage_ai.io._clients import client

Algolia = client('Algolia', 'algoliasearch')
