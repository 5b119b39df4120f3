from mage_ai.io._clients import client

OracleDB = client('OracleDB', 'oracledb')
