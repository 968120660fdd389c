"""Data sets on the Hugging Face hub, by name; see `danlu.data.hub.names`."""

from danlu.data.hub.choose import DataSet
from danlu.data.hub.lookup import find, shards
from danlu.data.hub.names import Name, is_name, parse

__all__ = ["DataSet", "Name", "find", "is_name", "parse", "shards"]
