import enum
import logging
import os
import re

from mage_ai._simple_yaml import load_yaml
from penstock_runner import current

TEMPLATE = re.compile(r'''\{\{\s*(\w+)\(\s*['"]([^'"]*)['"]\s*\)\s*\}\}''')

_NAMES = '''
AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_ENDPOINT
GOOGLE_SERVICE_ACC_KEY GOOGLE_SERVICE_ACC_KEY_FILEPATH GOOGLE_LOCATION
POSTGRES_DBNAME POSTGRES_USER POSTGRES_PASSWORD POSTGRES_HOST POSTGRES_PORT POSTGRES_SCHEMA POSTGRES_CONNECTION_METHOD
MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD MYSQL_HOST MYSQL_PORT
SNOWFLAKE_ACCOUNT SNOWFLAKE_USER SNOWFLAKE_PASSWORD SNOWFLAKE_DEFAULT_WH SNOWFLAKE_DEFAULT_DB SNOWFLAKE_DEFAULT_SCHEMA
MSSQL_DATABASE MSSQL_USER MSSQL_PASSWORD MSSQL_HOST MSSQL_PORT
REDSHIFT_DBNAME REDSHIFT_HOST REDSHIFT_PORT REDSHIFT_TEMP_CRED_USER REDSHIFT_TEMP_CRED_PASSWORD
CLICKHOUSE_DATABASE CLICKHOUSE_HOST CLICKHOUSE_PORT CLICKHOUSE_USERNAME CLICKHOUSE_PASSWORD
DUCKDB_DATABASE DUCKDB_SCHEMA MONGODB_CONNECTION_STRING MONGODB_HOST MONGODB_PORT MONGODB_USER MONGODB_PASSWORD
'''.split()

ConfigKey = enum.Enum('ConfigKey', {name: name for name in _NAMES}, type=str)
ConfigKey.__doc__ = 'Keys of io_config.yaml. Any other key is read by its name: config["MY_KEY"].'


class ConfigFileLoader:
    """A profile of io_config.yaml: `ConfigFileLoader(path, profile)[ConfigKey.POSTGRES_HOST]`. None for a missing key."""

    def __init__(self, filepath=None, profile='default', **kwargs):
        path = str(filepath or os.path.join(current.attempt.repo_path, 'io_config.yaml'))
        with open(path, encoding='utf-8') as file:
            document = load_yaml(file.read(), path) or {}
        if profile not in document:
            raise ValueError('%s has no profile `%s`. It has: %s.' % (path, profile, ', '.join(map(str, document))))
        self.config = _rendered(document[profile] or {})

    def __getitem__(self, key):
        return self.get(key)

    def __contains__(self, key):
        return _name(key) in self.config

    def get(self, key, default=None):
        name = _name(key)
        if name in self.config:
            return self.config[name]
        group, _, rest = name.partition('_')  # The other way to write it: POSTGRES: {host: …}.
        section = self.config.get(group)
        if isinstance(section, dict):
            return section.get(rest.lower(), default)
        return default


def _name(key):
    return str(key.value if isinstance(key, enum.Enum) else key)


def _rendered(value):
    if isinstance(value, dict):
        return {key: _rendered(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rendered(each) for each in value]
    if isinstance(value, str):
        return TEMPLATE.sub(_lookup, value)
    return value


def _lookup(match):
    source, name = match.groups()
    if source in ('env_var', 'mage_secret_var'):
        value = os.environ.get(name)
    elif source == 'variables':
        value = current.attempt.task['variables'].get(name)
    else:
        value = None
    if value is None:
        logging.warning('io_config.yaml: %s is not set.', match.group(0))
    return str(value)  # An unset one is the text 'None', as in Mage.
