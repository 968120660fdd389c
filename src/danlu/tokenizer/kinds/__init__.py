"""Kinds of tokenizers; one file each, found by its name. What a file has: `tokenizer/kind.py`."""
