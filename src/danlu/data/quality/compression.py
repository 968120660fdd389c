"""How far a text can be compressed: repetition of any kind, of marks and parts of words too."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

from danlu.data.quality.repeats import F64, Bools

LZ4_FIRST = 0.5
"""zlib, nine times slower, only sees texts that LZ4 makes smaller than this share of their size."""


def compression(texts: pa.StringArray) -> F64:
    """[N] the share of its bytes to which zlib brings a text that LZ4 finds easy; 1 for others."""
    codec = pa.Codec("lz4_raw")
    found = np.ones(len(texts))
    for i, data in enumerate(texts.cast(pa.binary()).to_pylist()):
        if data and len(codec.compress(data, asbytes=True)) < LZ4_FIRST * len(data):
            found[i] = _deflated(data)
    return found


def deflated(texts: pa.StringArray, which: Bools) -> F64:
    """[N] the share of its bytes to which zlib brings each text of some; 0 for the others."""
    found = np.zeros(len(texts))
    for i in np.flatnonzero(which):
        found[i] = _deflated(texts[int(i)].as_py().encode())
    return found


def _deflated(data: bytes) -> float:
    return len(zlib.compress(data, 1)) / max(len(data), 1)
