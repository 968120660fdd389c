"""The settings of `prepare`: how text is read, cleaned and split."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from danlu import discover
from danlu.config import Config
from danlu.data import encoding
from danlu.data.quality import rules as quality_rules


class QualitySettings(Config):
    """The rules of the step `quality`."""

    rules: tuple[str, ...] = ("gentle",)
    """Presets (gentle, gopher, c4, fineweb, chinese) and rules; `no-NAME` leaves one out."""

    limits: dict[str, float] = Field(default={})
    """Other limits for some of the rules, by the rule's name."""

    c4_lines: bool = False
    """Delete lines as C4 does: no full stop, under five words, cookies and Javascript."""

    @model_validator(mode="after")
    def _known_rules(self) -> QualitySettings:
        quality_rules.chosen(self.rules, self.limits)
        return self


class PrepareSettings(Config):
    """What is done to the text; the same settings and files give the same corpus, byte for byte."""

    encoding: str = "auto"
    """Encoding of the files: `auto` finds it, or e.g. utf-8, gb18030, big5, shift_jis, latin-1."""

    text_field: str = ""
    """Field or column that holds the text in .jsonl, .csv and .parquet; empty: found by looking."""

    steps: tuple[str, ...] = ("repair", "exact", "short", "quality")
    """Cleaning steps in their order, by the names of the files in `danlu/data/steps`."""

    min_characters: int = Field(default=40, ge=0)
    """Shorter documents are removed; a Chinese, Japanese or Korean character counts as 3."""

    repetition: float = Field(default=1.0, gt=0)
    """How much repetition is allowed: 2 is twice as much as usual, 0.5 half as much."""

    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the text that is never trained on, to measure with."""

    python_docs_mb: float = Field(default=15.0, gt=0)
    """How much of Python's documentation to read when no path is given, in MB."""

    quality: QualitySettings = QualitySettings()
    """Rules of quality."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        if name != "auto":
            encoding.codec(name)
        return name

    @field_validator("steps")
    @classmethod
    def _known_steps(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        have = discover.names("danlu.data.steps")
        for name in names:
            if name not in have:
                raise discover.unknown("step", name, have)
        return names
