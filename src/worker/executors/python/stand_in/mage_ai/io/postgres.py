from mage_ai.io._clients import client

Postgres = client('Postgres', 'psycopg')
