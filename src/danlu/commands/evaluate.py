"""Measure a model on text or questions that it was not trained on, beside simple baselines.

danlu evaluate runs/demo/base                     on the run's own held-out text
danlu evaluate runs/demo/chat                     on its held-out questions
danlu evaluate runs/demo/base --data other.txt    on any text
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


class Config(config.Config):
    """Settings of `danlu evaluate`."""

    run: Positional[Path]
    """A run folder, or any model folder if `data` is given."""

    data: Path | None = None
    """Text, or conversations in a .jsonl file; by default what the run held out."""

    questions: int = Field(200, ge=1)
    """Most questions that are answered."""

    stride: int = Field(0, ge=0)
    """Tokens scored in each window after the first; 0: half the context."""

    fail_over: float = Field(0.0, ge=0)
    """Exit with code 1 if bits per byte are above this; 0: never."""

    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Measure, write eval.json into a run folder, and say what it means."""
    from danlu.commands import _measure as measure
    from danlu.commands import _records as records
    from danlu.models import hub
    from danlu.runtime import Runtime

    runtime = Runtime.start(cfg.runtime)
    loaded = hub.load(cfg.run, device=runtime.device)
    own = records.settings_of(cfg.run) if (cfg.run / "run.yaml").is_file() else {}
    is_chat = "base" in own
    if cfg.data is not None:
        result = _other(cfg.data, cfg, loaded)
    else:
        result = _own(cfg, own, loaded)
    code = int(bool(cfg.fail_over) and result.get("bits_per_byte", 0.0) > cfg.fail_over)
    use = f"danlu chat {cfg.run}" if is_chat else f"danlu generate {cfg.run} --prompt '…'"
    return {
        **measure.readable(result),
        "exit_code": code,
        "next": [use, f"danlu report {records.life(cfg.run)}"],
    }


def _own(cfg: Config, settings: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    """Measure on what the run held out; what was measured on these very weights is not redone."""
    from danlu import files
    from danlu.commands import _measure as measure

    path = cfg.run / "eval.json"
    asked = {"stride": cfg.stride, "questions": cfg.questions}
    made_from = {"weights": files.sha256(cfg.run / "model.safetensors"), **asked}
    if path.is_file() and (before := files.read_json(path)).get("made_from") == made_from:
        return dict(before)
    if "base" in settings:
        result = measure.run_chat(cfg.run, settings, loaded, most=cfg.questions)
    else:
        result = measure.run_text(cfg.run, loaded, stride=cfg.stride)
    result["made_from"] = made_from
    files.write_json(path, result)
    return result


def _other(path: Path, cfg: Config, loaded: Loaded) -> dict[str, Any]:
    """Measure on a file that is not the run's own."""
    from danlu.commands import _measure as measure
    from danlu.data import chats, inputs
    from danlu.data.reading import Reading
    from danlu.errors import DataError

    if path.suffix == ".jsonl":
        try:
            some = chats.read(path)[: cfg.questions]
        except DataError:
            pass  # lines of text, not conversations
        else:
            return {"answers": {"after": measure.answered(loaded, some)[1], "n": len(some)}}
    found = inputs.expand([path])
    documents = Reading(found.files, python_docs_bytes=0).documents()
    return measure.texts([document.text for document in documents], loaded, stride=cfg.stride)
