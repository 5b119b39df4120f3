import enum


class FileFormat(str, enum.Enum):
    CSV = 'csv'
    JSON = 'json'
    PARQUET = 'parquet'


class ExportWritePolicy(str, enum.Enum):
    APPEND = 'append'
    FAIL = 'fail'
    REPLACE = 'replace'


class DataSource(str, enum.Enum):
    FILE = 'file'
