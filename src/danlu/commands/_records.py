"""What runs keep beside their weights: machine, versions, plan and outcome, live page."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import danlu
from danlu import config, files, hardware, log, report
from danlu.data import lineage
from danlu.errors import DanluError, DataError


def view(run: Path) -> Callable[[], None]:
    """Rewrites the live report of a run, or of the whole life that it is a part of."""
    folder = life(run)

    def write() -> None:
        try:
            report.write(folder, live=True)
        except DanluError as error:
            log.warn(f"the report is not written: {error.what}")

    return write


def life(run: Path) -> Path:
    """The folder that a run's report is about: a demo's, if the run is a part of one."""
    return run.parent if (run.parent / "demo.json").is_file() else run


def describe(run: Path, cfg: config.Config, *, learned: dict[str, Any]) -> None:
    """Keep what is needed to look back: the machine, the versions, the command, the data."""
    files.write_json(run / "environment.json", environment())
    files.write_json(run / lineage.NAME, learned)
    command = "finetune" if hasattr(cfg, "base") else "pretrain"
    if not (run / "commands.json").is_file():
        files.write_json(run / "commands.json", [f"danlu {command} {run / 'run.yaml'}"])


def actual(run: Path, state: dict[str, Any], model: Any) -> dict[str, Any]:
    """Put what came of a plan beside it; returns the figures."""
    from danlu.models.transformer import parameters
    from danlu.runtime import peak_memory_bytes

    done = {
        "parameters": sum(p.numel() for p in parameters(model).values()),
        "tokens": state["tokens"],
        "steps": state["step"],
        "seconds": round(state["seconds"], 1),
        "memory_bytes": peak_memory_bytes(),
    }
    path = run / "plan.json"
    if path.is_file():
        record = files.read_json(path)
        if "actual" in record and record["actual"]["steps"] == done["steps"]:
            return dict(record["actual"])  # looked at again after the run
        files.write_json(path, {**record, "actual": done})
    return done


def environment() -> dict[str, Any]:
    """Versions and machine."""
    import torch

    facts = {
        "danlu": danlu.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": hardware.cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(hardware.total_memory_bytes() / 1e9, 1),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    if commit := git_commit():
        facts["commit"] = commit
    return facts


def processor() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The commit of Danlu's own checkout, if it runs from one."""
    root = Path(danlu.__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return done.stdout.strip()
    return None


def settings_of(run: Path) -> dict[str, Any]:
    """The settings that a run folder was made with, as plain values.

    Raises:
        DataError: the folder holds no run of Danlu.
    """
    import yaml

    path = run / "run.yaml"
    if not path.is_file():
        raise DataError(f"{run} is no run of Danlu", got="no run.yaml")
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    return dict(value)


def cpu_flags() -> set[str]:
    """Instruction sets as Linux names them; empty elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    return set()
