"""The plain records that every part agrees on. No torch here, no behaviour.

Shapes: B rows in a batch, T positions in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]

IGNORE = -100
"""The label of a position that carries no loss."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text with where it came from.

    `meta` holds what the source knew: `file` (what the split hashes), `title`, `name` and so on.
    """

    text: str
    id: str
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(slots=True)
class Batch:
    """Rows of tokens, as numpy arrays; `runtime.put` turns them into tensors on the device."""

    tokens: IntArray
    """[B, T] token ids."""

    labels: IntArray
    """[B, T]; labels[b, t] is what position t must predict (already shifted), or IGNORE."""

    positions: IntArray | None = None
    """[B, T] position of each token in its document; None: 0, 1, … T-1 in every row."""

    segments: IntArray | None = None
    """[B, T] number of the document in the row; documents do not see each other. None: all do."""

    ids: list[str] = field(default_factory=list)
    """Where the rows came from, for messages about a bad batch."""
