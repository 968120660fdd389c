"""Readers, one file a format: `SUFFIXES` and `read(file) -> Iterator[Document]`."""
