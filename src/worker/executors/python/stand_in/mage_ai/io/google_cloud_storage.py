from mage_ai.io._clients import client

GoogleCloudStorage = client('GoogleCloudStorage', 'google-cloud-storage')
