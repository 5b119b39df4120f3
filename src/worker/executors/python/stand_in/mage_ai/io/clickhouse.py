from mage_ai.io._clients import client

ClickHouse = client('ClickHouse', 'clickhouse-connect')
