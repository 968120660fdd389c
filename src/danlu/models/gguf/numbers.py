"""The numbers of a GGUF tensor, some rows at a time.

Quantised blocks are taken apart by the `gguf` package, which is llama.cpp's own statement of its
formats; what is stored plainly needs no package. All come out as float32, exactly what the file
says: a block's scale times its whole numbers.
"""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from danlu.errors import missing_extra
from danlu.models.gguf.header import PLAIN, Header, Kind, Part, bad

Raw = npt.NDArray[np.uint8]


def check_package(header: Header) -> None:
    """Say early that a package is missing.

    Raises:
        MissingExtra: the file is quantised and the `gguf` package is not installed.
    """
    quantised = sorted({part.kind.name for part in header.tensors.values()} - set(PLAIN))
    if quantised and importlib.util.find_spec("gguf") is None:
        raise missing_extra("gguf", "gguf", f"reading weights in {', '.join(quantised)}")


def raw_rows(header: Header, file: BinaryIO, part: Part, first: int, count: int) -> Raw:
    """[count, row_bytes]: rows of a tensor as they are stored.

    Raises:
        ModelError: the file has become shorter.
    """
    size = count * part.row_bytes
    file.seek(part.start + first * part.row_bytes)
    data = file.read(size)
    if len(data) != size:
        raise bad(header.path, f"it ended inside {part.name!r}: somebody shortened it")
    return np.frombuffer(data, np.uint8).reshape(count, part.row_bytes)


def float32(raw: Raw, kind: Kind) -> torch.Tensor:
    """[rows, columns] float32 of stored rows; not a number where a block's scale is none."""
    array: Any
    if kind.name == "F32":
        array = raw.view("<f4").astype(np.float32)
    elif kind.name == "F16":
        array = raw.view("<f2").astype(np.float32)
    elif kind.name == "BF16":
        array = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        from gguf import GGMLQuantizationType, quants

        with np.errstate(all="ignore"):  # whoever asked looks for infinities and NaN
            array = quants.dequantize(raw, GGMLQuantizationType[kind.name])
    return torch.from_numpy(array)
