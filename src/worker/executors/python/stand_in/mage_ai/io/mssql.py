from mage_ai.io._clients import client

MSSQL = client('MSSQL', 'pyodbc')
