"""What a run may use of this machine. Settings and facts only, without torch."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from danlu.config import Config

Device = Literal["auto", "cpu", "cuda", "mps"]


class RuntimeConfig(Config):
    """Where and how numbers are computed."""

    device: Device = "auto"
    """auto takes CUDA, then MPS, then the CPU."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of activations: auto is bfloat16 on CUDA GPUs that have it, float32 elsewhere."""

    threads: int = Field(0, ge=0)
    """CPU threads; 0 takes all cores. Results are bit for bit the same only for the same number."""


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """The most memory this process has had, in bytes; 0 where the system does not say."""
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def total_memory_bytes() -> int:
    """Memory of the machine, in bytes; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
