"""Learn a vector for each word of a corpus: word2vec or GloVe, with neighbours and analogies.

    danlu embed corpus                                 word2vec's skip-gram
    danlu embed corpus --method glove --out glove
    danlu embed corpus --neighbours king --analogy "king man woman"
    danlu embed corpus --units tokens --tokenizer tokenizer --width 256 --out start
    danlu pretrain --data.embeddings start …           begins with these vectors

`vectors.txt` is word2vec's text format, which gensim opens. Vectors that are there already are not
made again, so that more can be asked of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from tyro.conf import Positional

from danlu import config
from danlu.data.corpus import Corpus


class Config(config.Config):
    """Settings of `danlu embed`."""

    corpus: Positional[Path] = Path("corpus")
    """A folder that `danlu prepare` wrote."""

    out: Path = Path("embeddings")
    """Folder to write to."""

    method: Literal["word2vec", "glove"] = "word2vec"
    """word2vec: skip-gram with negative sampling (Mikolov 2013); glove: Pennington 2014."""

    units: Literal["words", "tokens"] = "words"
    """Vectors of words, or of the tokens of a tokenizer, for a model to start from."""

    tokenizer: Path | None = None
    """units tokens: a folder that `danlu tokenizer` wrote."""

    chinese: Literal["auto", "words", "characters"] = "auto"
    """Chinese by jieba's words or by characters; auto: words, where it is 1 % of the text."""

    lower: bool = True
    """Words in lower case."""

    min_count: int = Field(5, ge=1)
    """Words that occur less often are left out."""

    vocab: int = Field(0, ge=0)
    """Words at most, the rarest left out; 0: no bound."""

    width: int = Field(100, ge=1, le=65_536)
    """Numbers in a vector."""

    window: int = Field(0, ge=0, le=1_000)
    """Largest distance of two words that count as neighbours; 0: 5 for word2vec, 10 for glove."""

    epochs: int = Field(0, ge=0)
    """Passes over the text, or over GloVe's table; 0: 5 for word2vec, 15 for glove."""

    lr: float = Field(0.0, ge=0)
    """Learning rate at the start; 0: 0.025 for word2vec, 0.05 for glove."""

    negatives: int = Field(5, ge=1)
    """word2vec: random words against which a pair is told apart."""

    sample: float = Field(1e-3, ge=0)
    """word2vec: words of a larger share of the text are thinned out; 0: none."""

    x_max: float = Field(100.0, gt=0)
    """glove: co-occurrences from which the weight of a pair does not grow."""

    alpha: float = Field(0.75, gt=0)
    """glove: power by which the weight grows until there."""

    seed: int = Field(0, ge=0)
    """Of the first vectors and all that is drawn."""

    neighbours: tuple[str, ...] = ()
    """Words to show the nearest words of; none: a few frequent ones."""

    analogy: tuple[str, ...] = ()
    """Questions of three words in quotation marks: "king man woman" is king - man + woman."""

    n: int = Field(8, ge=1)
    """Nearest words to show."""

    @model_validator(mode="after")
    def _tokens_need_a_tokenizer(self) -> Self:
        if (self.units == "tokens") != (self.tokenizer is not None):
            raise ValueError("units tokens and tokenizer go together: --units tokens --tokenizer T")
        return self


def run(cfg: Config) -> dict[str, Any]:
    """Write the vectors, and say what is near what."""
    from danlu.commands import _vectors

    made, record = _vectors.make(cfg)
    figures = ("method", "units", "words", "width", "text_words", "seconds", "losses")
    return {
        "embeddings": str(cfg.out),
        **{key: record[key] for key in figures},
        "tables": _vectors.tables(made, cfg),
        "next": [_next(cfg)],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read, and how."""
    from danlu.commands import _vectors

    train = Corpus.open(cfg.corpus).manifest["counts"]["train"]
    return {"train": train, "out": str(cfg.out), "settings": _vectors.resolved(cfg)}


def _next(cfg: Config) -> str:
    if cfg.units == "tokens":
        return (
            f"danlu pretrain --data.corpus {cfg.corpus} --data.tokenizer {cfg.tokenizer} "
            f"--data.embeddings {cfg.out} --model.d-model {cfg.width}"
        )
    return f'danlu embed {cfg.corpus} --out {cfg.out} --neighbours WORD --analogy "A B C"'
