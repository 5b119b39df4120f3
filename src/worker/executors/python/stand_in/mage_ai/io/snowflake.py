from mage_ai.io._clients import client

Snowflake = client('Snowflake', 'snowflake-connector-python')
