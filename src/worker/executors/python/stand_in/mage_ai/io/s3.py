from mage_ai.io._clients import client

S3 = client('S3', 'boto3')
