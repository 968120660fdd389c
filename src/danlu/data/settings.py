"""The settings of `prepare`: how text is read, cleaned and split."""

from __future__ import annotations

from pydantic import Field, field_validator

from danlu import discover
from danlu.config import Config
from danlu.data import encoding

LANGUAGES = (
    *("zh-Hans", "zh-Hant", "en", "ja", "code", "ko", "ru", "uk", "bg", "ar", "fa", "ur", "hi"),
    *("th", "el", "he", "de", "fr", "es", "it", "pt", "nl", "other", "und"),
)
"""What the step `language` tells apart; `und` is a text with no evidence for any."""


class LanguageSettings(Config):
    """What the step `language` keeps."""

    keep: tuple[str, ...] = ()
    """Languages to keep, as zh-Hans, zh-Hant, zh (both), en, ja, code; empty keeps all."""

    @field_validator("keep")
    @classmethod
    def _known_languages(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in (*LANGUAGES, "zh"):
                raise discover.unknown("language", name, (*LANGUAGES, "zh"))
        return names


PERSONAL_KINDS = ("secret", "email", "id_card", "bank_card", "phone", "ip")
"""What the step `personal` can mask."""


class PersonalSettings(Config):
    """What the step `personal` masks."""

    kinds: tuple[str, ...] = PERSONAL_KINDS
    """Kinds of personal data to mask: secret, email, id_card, bank_card, phone, ip."""

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in PERSONAL_KINDS:
                raise discover.unknown("kind of personal data", name, PERSONAL_KINDS)
        return names


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

    language: LanguageSettings = LanguageSettings()
    personal: PersonalSettings = PersonalSettings()

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
