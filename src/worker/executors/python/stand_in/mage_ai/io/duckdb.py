from mage_ai.io._clients import client

DuckDB = client('DuckDB', 'duckdb')
