"""Turn a GGUF file (llama.cpp, Ollama, LM Studio) into a model folder.

    danlu import model.gguf --out models/mine
    danlu import model.gguf --out models/mine --dtype bfloat16     half the size, rounded

Llama, Qwen 2 and 3, Gemma 1 to 3 and GPT-2, plain or quantised, with tokenizer and chat template.
The folder opens in danlu, transformers and vLLM. float32 keeps every number of the file.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from danlu import config


class Config(config.Config):
    """Settings of `danlu import`."""

    file: Positional[Path]
    """A GGUF file."""

    out: Path
    """Folder to write; it must be empty or new."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """How weights are written."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the folder."""
    from danlu import log
    from danlu.errors import MissingExtra, ModelError, UnknownName
    from danlu.models import hub
    from danlu.models.gguf.convert import convert

    start = time.monotonic()
    made = convert(cfg.file, cfg.out, dtype=cfg.dtype)
    result: dict[str, Any] = {
        "model": str(cfg.out),
        "family": made.model_type,
        "parameters": made.parameters,
        "stored_as": ", ".join(f"{kind} × {n}" for kind, n in made.kinds.items()),
        "tokens": made.tokens,
        "licence": made.licence,
        "read_bytes": made.read_bytes,
        "written_bytes": made.written_bytes,
        "seconds": round(time.monotonic() - start, 1),
    }
    try:
        hub.config_of(cfg.out)
    except (MissingExtra, ModelError, UnknownName) as error:
        log.warn(f"written, but danlu itself cannot run it yet: {error.what}")
        return result
    verb = "chat" if made.chat_template else "generate"
    return {**result, "next": [f"danlu {verb} {cfg.out}"]}


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read."""
    from danlu.models.gguf import architecture
    from danlu.models.gguf.header import read_header

    header = read_header(cfg.file)
    found = architecture.plan(header)
    return {"family": found.config["model_type"], "tensors": len(found.moves)}
