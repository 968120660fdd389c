"""The settings of `prepare`: how text is read, cleaned and split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from danlu import discover
from danlu.config import Config
from danlu.data import encoding


class RepairSettings(Config):
    """What the step `repair` mends; mojibake, line ends and invisible characters always."""

    unicode: Literal["nfc", "nfkc", "off"] = "nfc"
    """Normal form: `nfc` joins letters and accents, `nfkc` also makes ① 1, ﬁ fi and ， a comma."""

    width: Literal["keep", "half"] = "keep"
    """`half`: Ａ１ become A1 and ｶﾅ become カナ; full-width punctuation stays."""

    chinese: Literal["keep", "simplified", "traditional"] = "keep"
    """Characters of Chinese texts, converted by OpenCC (`danlu[chinese]`); not of Japanese ones."""

    hyphens: bool = True
    """Join words that a hyphen splits over two lines; compounds and code are left alone."""

    markup: bool = True
    """Resolve leftovers of HTML (&amp; <br> <b>) in plain text; not where markup is the subject."""


class PerplexitySettings(Config):
    """What the step `perplexity` compares with, and how much it lets pass."""

    like: str = ""
    """File or folder of text that you call good, at least 20,000 characters; the step needs it."""

    keep: float = Field(default=0.99, gt=0.5, lt=1)
    """Share of the good text itself that would pass: a tenth of it is kept back to find limits."""

    tolerance: float = Field(default=1.03, gt=0)
    """How many times as surprising as that limit a document may be."""


class ClassifierSettings(Config):
    """What the step `classifier` learns from; it needs at least 50 documents of each kind."""

    good: str = ""
    """File or folder of documents such as you want, one a line in .jsonl; the step needs it."""

    bad: str = ""
    """File or folder of documents such as you do not want; the step needs it."""

    precision: float = Field(default=0.95, gt=0.5, le=1)
    """Share of good ones among what is kept, if good and bad were equally frequent."""


class PrepareSettings(Config):
    """What is done to the text; the same settings and files give the same corpus, byte for byte."""

    encoding: str = "auto"
    """Encoding of the files: `auto` finds it, or e.g. utf-8, gb18030, big5, shift_jis, latin-1."""

    text_field: str = ""
    """Field or column that holds the text in .jsonl, .csv and .parquet; empty: found by looking."""

    steps: tuple[str, ...] = ("repair", "exact", "short", "repetitive")
    """Cleaning steps in their order, by the names of the files in `danlu/data/steps`."""

    min_characters: int = Field(default=40, ge=0)
    """Shorter documents are removed; a Chinese, Japanese or Korean character counts as 3."""

    repetition: float = Field(default=1.0, gt=0)
    """How much repetition is allowed: 2 is twice as much as usual, 0.5 half as much."""

    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the text that is never trained on, to measure with."""

    python_docs_mb: float = Field(default=15.0, gt=0)
    """How much of Python's documentation to read when no path is given, in MB."""

    repair: RepairSettings = RepairSettings()
    """What is mended in texts."""

    perplexity: PerplexitySettings = PerplexitySettings()
    """What the step `perplexity` compares with."""

    classifier: ClassifierSettings = ClassifierSettings()
    """What the step `classifier` learns from."""

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
