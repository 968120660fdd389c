"""The settings of one architecture, read strictly.

Every key under the architecture's name must be asked for by its table: one that nobody knows may
change what the tensors mean. A key that is read is of the right type and range, or the model is
refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from danlu.errors import ModelError
from danlu.models.gguf import numbers
from danlu.models.gguf.header import PLAIN, Header, Value, opened

LARGEST = 1 << 24
"""No width, count of layers or context is larger."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The letters in which tables give shapes; `layers` is how often `*` is filled in."""

    layers: int
    heads: int
    kv_heads: int
    V: int
    """Rows of the embedding."""
    D: int
    """Width of the residual stream."""
    F: int
    """Inner width of the MLP."""
    H: int
    """Width of a head."""
    L: int
    """Longest context."""

    def of(self, letter: str) -> int:
        """The number that a letter stands for: Q are all query heads, K all key heads, S Q·K·V."""
        if letter == "Q":
            return self.heads * self.H
        if letter == "K":
            return self.kv_heads * self.H
        if letter == "S":
            return (self.heads + 2 * self.kv_heads) * self.H
        number: int = getattr(self, letter)
        return number


class Settings:
    """The keys `ARCHITECTURE.…` of a header; `groups` are the optional tensors that it has."""

    def __init__(self, header: Header, name: str, groups: Collection[str]) -> None:
        self.header, self.name, self.groups = header, name, frozenset(groups)
        self._known: set[str] = set()

    def integer(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number from `least` to `LARGEST`.

        Raises:
            ModelError: it is none, or missing without a default.
        """
        value = self._get(key, default)
        if type(value) is not int or not least <= value <= LARGEST:
            raise self._wrong(key, value, f"a whole number from {least} to {LARGEST:,}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number above 0, as short as float32 allows: 1e-05, not 9.999999747378752e-06.

        Raises:
            ModelError: it is none, or missing without a default.
        """
        value = self._get(key, default)
        good = type(value) in (int, float) and isinstance(value, int | float)
        if not good or not math.isfinite(value) or value <= 0:  # type: ignore[arg-type,operator]
            raise self._wrong(key, value, "a number above 0")
        single = np.float32(value)  # type: ignore[arg-type]
        return float(str(single)) if math.isfinite(single) and single > 0 else float(value)  # type: ignore[arg-type]

    def text(self, key: str, default: str) -> str:
        """A text.

        Raises:
            ModelError: it is none.
        """
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text")
        return value

    def has(self, key: str) -> bool:
        """Whether a key is there; it counts as read."""
        self._known.add(key)
        return f"{self.name}.{key}" in self.header.metadata

    def must(self, key: str, known: Collection[Value], why: str) -> None:
        """Refuse any other value of a key that may be absent.

        Raises:
            ModelError: it has one.
        """
        if self.has(key):
            value = self.header.metadata[f"{self.name}.{key}"]
            if isinstance(value, np.ndarray | list) or value not in known:
                raise self._wrong(key, value, " or ".join(map(repr, known)), why)

    def sizes(self) -> Sizes:
        """The model's sizes.

        Raises:
            ModelError: one is missing or senseless.
        """
        embedding = self.header.tensors.get("token_embd.weight")
        if embedding is None or len(embedding.shape) != 2:
            raise ModelError(f"{self.header.path} has no table of embeddings, token_embd.weight")
        d, heads = self.integer("embedding_length"), self.integer("attention.head_count")
        kv_heads = self.integer("attention.head_count_kv", heads)
        h = self.integer("attention.key_length", max(d // heads, 1))
        self.must("attention.value_length", [h], "keys and values must be equally wide")
        self.must("rope.dimension_count", [h], "heads that are turned in part are not supported")
        self.must("expert_count", [0], "mixtures of experts are not supported")
        self.must("expert_used_count", [0], "mixtures of experts are not supported")
        self.must("attention.causal", [True], "a model that sees the future cannot write")
        self.has("vocab_size")  # the embedding's rows say it
        self.has("tensor_data_layout")
        if heads % kv_heads:
            raise ModelError(
                f"{self.header.path} has {heads} heads on {kv_heads} key heads",
                expected="a multiple",
            )
        return Sizes(
            layers=self.integer("block_count"),
            heads=heads,
            kv_heads=kv_heads,
            V=embedding.shape[0],
            D=d,
            F=self.integer("feed_forward_length"),
            H=h,
            L=self.integer("context_length"),
        )

    def vector(self, name: str, length: int) -> list[float]:
        """The numbers of a small plain tensor.

        Raises:
            ModelError: it has another shape.
        """
        part = self.header.tensors[name]
        if part.shape != (length,) or part.kind.name not in PLAIN or length > LARGEST:
            raise ModelError(
                f"tensor {name} has the wrong shape",
                got=f"{list(part.shape)} in {part.kind.name}",
                expected=f"[{length}], not quantised",
            )
        with opened(self.header.path) as file:
            raw = numbers.raw_rows(self.header, file, part, 0, 1)
        return [float(value) for value in numbers.float32(raw, part.kind)[0]]

    def check_all_known(self) -> None:
        """Refuse a key that nothing asked for.

        Raises:
            ModelError: there is one.
        """
        prefix = f"{self.name}."
        keys = (key for key in self.header.metadata if key.startswith(prefix))
        unknown = sorted(key for key in keys if key.removeprefix(prefix) not in self._known)
        if unknown:
            raise ModelError(
                f"{self.header.path} has settings of {self.name} that are not supported",
                got=", ".join(f"{key} = {self.header.metadata[key]!r}" for key in unknown[:3]),
            )

    def _get(self, key: str, default: int | float | str | None) -> Value | None:
        self._known.add(key)
        return self.header.metadata.get(f"{self.name}.{key}", default)

    def _wrong(self, key: str, got: object, expected: str, why: str = "") -> ModelError:
        what = "is missing" if got is None else "cannot be used" + (f": {why}" if why else "")
        return ModelError(
            f"the setting {self.name}.{key} of {self.header.path} {what}",
            got=got,
            expected=expected,
        )
