"""Let a model write.

danlu generate runs/demo/base --prompt "os.path.join("
danlu generate runs/poems/base --prompt "春" --sampling.max-tokens 60 --samples 3
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config, log
from danlu.generate.settings import Sampling
from danlu.hardware import RuntimeConfig


class Config(config.Config):
    """Settings of `danlu generate`."""

    run: Positional[Path]
    """A run folder, or any model folder."""

    prompt: str = ""
    """Text to continue, or what an encoder-decoder reads; empty: a new document."""

    samples: int = Field(1, ge=1, le=1000)
    """How many to write."""

    sampling: Sampling = Sampling()
    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Write to stdout as it comes; the texts are also in the result."""
    from danlu.generate.text import generate_text, stream_text
    from danlu.models import hub
    from danlu.runtime import Runtime

    runtime = Runtime.start(cfg.runtime)
    loaded = hub.load(cfg.run, device=runtime.device)
    reads = loaded.model.config.kind == "encoder-decoder"
    begin = "" if reads else cfg.prompt
    if cfg.samples == 1:
        log.write(begin)
        pieces = []
        for piece in stream_text(loaded.model, loaded.tokenizer, cfg.prompt, cfg.sampling):
            pieces.append(piece)
            log.write(piece)
        log.write("\n")
        return {"texts": [begin + "".join(pieces)]}
    prompts = [cfg.prompt] * cfg.samples
    found = generate_text(loaded.model, loaded.tokenizer, prompts, cfg.sampling)
    texts = [begin + completion.text for completion in found]
    log.write("\n\n".join(texts) + "\n")
    return {"texts": texts}


def show(result: dict[str, Any]) -> None:
    """Nothing more: the texts are printed as they come."""
