from mage_ai.io._clients import client

BigQuery = client('BigQuery', 'google-cloud-bigquery')
