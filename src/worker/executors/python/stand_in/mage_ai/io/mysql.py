from mage_ai.io._clients import client

MySQL = client('MySQL', 'mysql-connector-python')
