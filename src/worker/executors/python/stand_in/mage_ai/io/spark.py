from mage_ai.io._clients import client

Spark = client('Spark', 'pyspark')
