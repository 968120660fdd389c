"""Facts about this machine, measured where it is quick."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

from danlu import files, hardware
from danlu.commands import _records as records
from danlu.errors import ConfigError


def facts() -> dict[str, Any]:
    """Cores, instruction sets, memory, disk, GPU, compiler, and the speed of a matrix product."""
    import torch

    from danlu.hardware import RuntimeConfig
    from danlu.runtime import Runtime
    from danlu.tune.planner import product_flops

    runtime = Runtime.start(RuntimeConfig())
    found = {
        **records.environment(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_in_hardware": _fast_bfloat16(),
        "memory_bytes": hardware.total_memory_bytes(),
        "disk_free_bytes": files.free_bytes(Path.cwd()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else _other_gpu(),
        "compiler": compiler(),
        "device": runtime.device.type,
        "matmul_gflops": round(product_flops(runtime) / 1e9, 1),
    }
    del found["memory_gb"]
    return found


def missing(found: dict[str, Any]) -> list[dict[str, str]]:
    """What is not there, what it would be good for, and the command that installs it."""
    rows = []
    if found["compiler"] is None:
        rows.append(
            {
                "what": "C++ compiler",
                "for": "torch.compile",
                "command": "sudo apt-get install g++ (macOS: xcode-select --install)",
            }
        )
    for package, extra, purpose in (
        ("tensorboard", "track", "TensorBoard files"),
        ("transformers", "hf", "families of models that Danlu has no table of"),
    ):
        if importlib.util.find_spec(package) is None:
            rows.append(
                {"what": package, "for": purpose, "command": f"pip install 'danlu[{extra}]'"}
            )
    if found["memory_bytes"] and found["memory_bytes"] < 3e9:
        rows.append({"what": "memory", "for": "the demo needs about 2 GB", "command": "–"})
    if found["disk_free_bytes"] < 2e9:
        rows.append({"what": "disk", "for": "runs and reports", "command": "free some space"})
    return rows


def verify(run: Path) -> list[str]:
    """What is wrong with a run's checkpoints, and whether the folder opens as a model."""
    from danlu.errors import DanluError
    from danlu.models import hub
    from danlu.train import checkpoint

    if not run.is_dir():
        raise ConfigError(f"there is no folder {run}", expected="a run folder")
    problems = []
    for folder in sorted((run / "checkpoints").glob("step-*")):
        problems += [f"{folder.name}: {problem}" for problem in checkpoint.verify(folder)]
    try:
        hub.load(run)
    except DanluError as error:
        problems.append(error.what)
    return problems


def compiler() -> str | None:
    """A C++ compiler that torch.compile would find."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def _fast_bfloat16() -> bool:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    flags = records.cpu_flags()
    return "amx" in capability.lower() or "avx512_bf16" in flags or "amx_bf16" in flags


def _other_gpu() -> str | None:
    import torch

    return "Apple GPU (MPS)" if torch.backends.mps.is_available() else None
