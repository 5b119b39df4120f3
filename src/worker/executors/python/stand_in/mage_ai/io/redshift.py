from mage_ai.io._clients import client

Redshift = client('Redshift', 'redshift-connector')
