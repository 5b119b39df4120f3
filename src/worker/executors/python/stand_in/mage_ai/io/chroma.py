from mage_ai.io._clients import client

Chroma = client('Chroma', 'chromadb')
