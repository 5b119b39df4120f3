from mage_ai.io._clients import client

GoogleSheets = client('GoogleSheets', 'google-api-python-client')
