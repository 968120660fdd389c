"""Say what this machine can do, what is missing, and what installs it.

danlu doctor              the machine
danlu doctor runs/demo/base   also: is every byte of this run's checkpoints as it was written?
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tyro.conf import Positional

from danlu import config


class Config(config.Config):
    """Settings of `danlu doctor`."""

    run: Positional[Path | None] = None
    """A run folder to verify."""


def run(cfg: Config) -> dict[str, Any]:
    """Look at the machine, and at a run if one is given."""
    from danlu.commands import _machine as machine

    facts = machine.facts()
    result: dict[str, Any] = {**facts, "tables": {}}
    if missing := machine.missing(facts):
        result["tables"]["worth having"] = missing
    problems: list[str] = []
    if cfg.run is not None:
        problems = machine.verify(cfg.run)
        result["run"] = str(cfg.run)
        result["run_state"] = "; ".join(problems) or "every byte is as it was written"
    result["exit_code"] = int(bool(problems))
    result["next"] = [f"danlu chat {cfg.run}" if cfg.run and not problems else "danlu demo"]
    return result
