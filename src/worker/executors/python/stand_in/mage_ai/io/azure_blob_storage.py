from mage_ai.io._clients import client

AzureBlobStorage = client('AzureBlobStorage', 'azure-storage-blob')
