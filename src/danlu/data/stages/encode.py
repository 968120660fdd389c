"""The stage of `tokenize`: one file of a corpus becomes a piece of a stream of token ids."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from danlu.data import keys, parts, token_stream
from danlu.data.work import Task, Work
from danlu.tokenizer import Tokenizer

TOKENIZER = "tokenizer"
"""Its folder in the work folder."""


def run(work: Work, task: Task) -> dict[str, Any]:
    """How much text there was; ids are in the `.bin` file, see `Stream.documents` for the `.npy`.

    Raises:
        DataError: the file is damaged.
    """
    sources = task.given["sources"]
    batches = parts.read(Path(task.given["file"]), token_stream.COLUMNS[bool(sources)])
    tokenizer = _tokenizer(work.folder / TOKENIZER, str(work.plan["tokenizer"]))
    dtype = np.dtype(work.plan["dtype"])
    path = work.path(task, "bin")
    stream = token_stream.write(work.disk, path, batches, tokenizer, dtype, sources=sources)
    keys.write(work.disk, work.path(task, "npy"), stream.documents)
    return {"bytes": stream.bytes}


@lru_cache(1)
def _tokenizer(folder: Path, what: str) -> Tokenizer:
    """The tokenizer of a work folder, with the words that this process knows already.

    `what` says when it is another one.
    """
    return Tokenizer.load(folder)
