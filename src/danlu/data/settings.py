"""The settings of `prepare`: how text is read, cleaned and split."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from danlu import discover
from danlu.config import Config
from danlu.data import encoding
from danlu.data.quality import rules as quality_rules
from danlu.errors import ConfigError


class DuplicateSettings(Config):
    """Which documents and lines count as the same."""

    similarity: float = Field(default=0.8, gt=0, le=1)
    """Least Jaccard similarity of near-duplicates, over 5-grams of words (Chinese: characters)."""

    keep: Literal["first", "longest"] = "first"
    """Which of several near-duplicates stays: the first one read, or the longest."""

    bands: int = Field(default=20, ge=1, le=256)
    """Bands of a MinHash signature: more find more candidates."""

    rows: int = Field(default=6, ge=1, le=64)
    """Hash functions in a band: more find fewer candidates."""

    lines: Literal["line", "paragraph"] = "line"
    """What the step `lines` compares: lines, or paragraphs with a blank line between them."""

    line_copies: int = Field(default=10, ge=2)
    """A line in that many documents or more stays only in the first of them."""

    line_units: int = Field(default=4, ge=1)
    """Lines of fewer words (Chinese: characters) are left alone."""


class ContaminationSettings(Config):
    """Texts that must not be trained on, because a model is measured with them."""

    against: tuple[str, ...] = ()
    """Evaluation files: a document that shares a passage with them is removed."""

    words: int = Field(default=13, ge=2)
    """A passage is a run of that many words (GPT-3, Brown et al. 2020, appendix C) …"""

    characters: int = Field(default=20, ge=2)
    """… or of that many characters of Chinese or Japanese."""

    held_out: float = Field(default=0.2, ge=0, le=1)
    """A document of which more than this share of passages is held out is not trained on."""


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

    steps: tuple[str, ...] = (
        *("repair", "personal", "language", "short", "quality", "contamination", "exact", "near"),
    )
    """Cleaning steps in their order, by the names of files in `danlu/data/steps` and, last, in
    `danlu/data/comparisons`."""

    min_characters: int = Field(default=40, ge=0)
    """Shorter documents are removed; a Chinese, Japanese or Korean character counts as 3."""

    repetition: float = Field(default=1.0, gt=0)
    """How much repetition is allowed: 2 is twice as much as usual, 0.5 half as much."""

    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the text that is never trained on, to measure with."""

    held_out_mb: float = Field(default=50.0, gt=0)
    """Most text that is held out, in MB."""

    python_docs_mb: float = Field(default=15.0, gt=0)
    """How much of Python's documentation to read when no path is given, in MB."""

    duplicates: DuplicateSettings = DuplicateSettings()
    """Which documents and lines count as the same."""

    contamination: ContaminationSettings = ContaminationSettings()
    """Texts that must not be trained on."""

    quality: QualitySettings = QualitySettings()
    """Rules of quality."""

    language: LanguageSettings = LanguageSettings()
    """Which languages are kept."""

    personal: PersonalSettings = PersonalSettings()
    """What is masked."""

    mix: dict[str, float] = Field(default_factory=dict)
    """Weights by path or source, e.g. `--mix poems 1 news 3`: what share each has in training.
    Small sources are repeated for it, large ones cut; empty: all text, once."""

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
        single = discover.names("danlu.data.steps")
        comparing = discover.names("danlu.data.comparisons")
        for name in names:
            if name not in single + comparing:
                raise discover.unknown("step", name, single + comparing)
        kinds = [name in comparing for name in names]
        if kinds != sorted(kinds) or len(set(names)) < len(names):
            raise ConfigError(
                "the steps are not in an order that can be done",
                got=", ".join(names),
                expected=f"each once, and {', '.join(comparing)} after all others",
                fix="put the comparisons last: they look at what the other steps left",
            )
        return names

    @field_validator("mix")
    @classmethod
    def _weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if not 0 < weight < math.inf:
                raise ValueError(f"the weight of {name} must be a number above 0, got {weight}")
        return dict(sorted(weights.items()))
