"""Give a model more tokens, learnt from a corpus that its tokenizer cuts too finely.

    danlu extend runs/demo/base --corpus corpus --tokens 2000 --out extended

Say, an English model that is to learn Chinese. Old tokens keep their ids and rows, and texts
without new ones their ids. A new token's rows begin at the mean of those of the tokens that it
replaces. The figures are of the corpus's held-out text, before and right after, when the model has
not been trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config
from danlu.hardware import RuntimeConfig

if TYPE_CHECKING:
    from danlu.models.hub import Loaded
    from danlu.models.transformer import Transformer


class Config(config.Config):
    """Settings of `danlu extend`."""

    model: Positional[Path]
    """A run folder, or any model folder."""

    corpus: Path = Path("corpus")
    """A folder that `danlu prepare` wrote; its text says what is missing."""

    tokens: int = Field(2000, ge=2)
    """New tokens at most."""

    sample_mb: float = Field(16, gt=0)
    """Text to learn from at most."""

    documents: int = Field(100, ge=1)
    """Held-out documents of each language that the model is measured on."""

    out: Path = Path("extended")
    """Folder for the new model."""

    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Write the larger model; returns what new tokens do to the length of texts and to the loss."""
    from danlu import log
    from danlu.commands import _vocabulary
    from danlu.data.corpus import Corpus
    from danlu.models import hub
    from danlu.models.resize import resize
    from danlu.runtime import Runtime
    from danlu.tokenizer.extend import extend

    _check(cfg)
    corpus = Corpus.open(cfg.corpus)
    runtime = Runtime.start(cfg.runtime)
    loaded = hub.load(cfg.model, device=runtime.device)
    model = _own(loaded)
    sample = _vocabulary.sampled(corpus, cfg.sample_mb * 1e6)
    size = log.size(min(sample.total_bytes, sample.limit_bytes))
    log.say(f"learning {cfg.tokens:,} tokens from {size}")
    made = extend(loaded.tokenizer, sample, tokens=cfg.tokens)
    held_out = _vocabulary.held_out(corpus)
    rows = model.config.vocab_size
    before = _figures(loaded, held_out, cfg.documents)
    resize(model, made.tokenizer.vocab_size, made.replaced)
    larger = hub.Loaded(model, made.tokenizer, cfg.out)
    after = _figures(larger, held_out, cfg.documents)
    hub.save(cfg.out, model, made.tokenizer)
    return {
        "model": str(cfg.out),
        "new_tokens": len(made.replaced),
        "vocab_size": made.tokenizer.vocab_size,
        "rows": {"before": rows, "after": larger.model.config.vocab_size},
        "before": before,
        "after": after,
        "next": [f"danlu evaluate {cfg.out} --data TEXT"],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read; the model is not loaded."""
    from danlu.data.corpus import Corpus

    _check(cfg)
    train = Corpus.open(cfg.corpus).manifest["counts"]["train"]
    return {"sample_bytes": min(train["bytes"], round(cfg.sample_mb * 1e6)), "tokens": cfg.tokens}


def _check(cfg: Config) -> None:
    """Whether something would be lost, before any work is done.

    Raises:
        ConfigError: there is a model where the new one is to go.
    """
    from danlu.errors import ConfigError

    if (cfg.out / "config.json").exists():
        raise ConfigError(f"{cfg.out} holds a model", fix="choose another --out")


def _own(loaded: Loaded) -> Transformer:
    """The model, which must be of a family with a table.

    Raises:
        ModelError: transformers computes it, so its embedding is not ours to change.
    """
    from danlu.errors import ModelError
    from danlu.models.transformer import Transformer

    if not isinstance(loaded.model, Transformer):
        raise ModelError(
            f"the vocabulary of a {loaded.model.config.model_type} model cannot be extended yet",
            expected="a family that Danlu has a table of, such as llama, qwen3 or gpt2",
        )
    return loaded.model


def _figures(loaded: Loaded, held_out: list[tuple[str, str]], most: int) -> dict[str, Any]:
    """Bytes a token, and bits a byte of the first documents, by language."""
    from danlu.commands import _measure as measure
    from danlu.tokenizer.ladder import lengths

    groups: dict[str, list[str]] = {}
    for language, text in held_out:
        groups.setdefault(language, []).append(text)
    found = {name: lengths(loaded.tokenizer, texts) for name, texts in sorted(groups.items())}
    rates = {name: size / max(tokens, 1) for name, (size, tokens) in found.items()}
    scored = {
        name: measure.texts(texts[:most], loaded)["bits_per_byte"]
        for name, texts in sorted(groups.items())
    }
    return {"bytes_per_token": rates, "bits_per_byte": scored}
