"""Records of measurements: the schema, the files, and their conversion to other formats."""

from costmodel.records.autotvm import from_autotvm, to_autotvm
from costmodel.records.best import best, compact, merge
from costmodel.records.file import RecordWarning, append, load, rewrite, set_aside
from costmodel.records.record import SCHEMA_VERSION, NewerSchemaError, Record, hardware_of
from costmodel.records.sheet import from_csv, to_csv

__all__ = [
    "SCHEMA_VERSION",
    "NewerSchemaError",
    "Record",
    "RecordWarning",
    "append",
    "best",
    "compact",
    "from_autotvm",
    "from_csv",
    "hardware_of",
    "load",
    "merge",
    "rewrite",
    "set_aside",
    "to_autotvm",
    "to_csv",
]
