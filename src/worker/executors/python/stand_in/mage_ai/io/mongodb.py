from mage_ai.io._clients import client

MongoDB = client('MongoDB', 'pymongo')
