"""The machine that a run uses: device, number format, threads, ranks, seeds.

The only module that talks to torch.distributed, so that the rest can be written as if there were
one process. The number of ranks comes from the launcher's environment (RANK, WORLD_SIZE).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu import hardware
from danlu.errors import ConfigError
from danlu.hardware import Device, RuntimeConfig
from danlu.types import Batch


@dataclass(frozen=True)
class Runtime:
    """Device, activation dtype, and this process's place among the ranks."""

    device: torch.device
    dtype: torch.dtype
    rank: int = 0
    world: int = 1

    @classmethod
    def start(cls, cfg: RuntimeConfig | None = None) -> Runtime:
        """Set up this process.

        Raises:
            ConfigError: the device is not there.
        """
        cfg = cfg or RuntimeConfig()
        rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        device = _device(cfg.device, int(os.environ.get("LOCAL_RANK", "0")))
        torch.set_num_threads(cfg.threads or hardware.cores())
        torch.set_flush_denormal(True)  # tiny numbers cost 20 times as much on a CPU
        if cfg.dtype == "auto":
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            dtype = torch.bfloat16 if fast else torch.float32
        else:
            dtype = getattr(torch, cfg.dtype)
        if device.type == "cuda":
            torch.cuda.set_device(device)
            torch.set_float32_matmul_precision("high")
        if world > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(device, dtype, rank, world)

    @classmethod
    def of(cls, device: torch.device) -> Runtime:
        """This process alone on a device, in the number format of its settings."""
        return cls.start(RuntimeConfig(device=device.type))

    def put(self, batch: Batch) -> TensorBatch:
        """A batch as int64 tensors on the device."""
        return TensorBatch(
            tokens=self._put(batch.tokens),
            labels=self._put(batch.labels),
            positions=None if batch.positions is None else self._put(batch.positions),
            segments=None if batch.segments is None else self._put(batch.segments),
            ids=batch.ids,
        )

    def _put(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
        return tensor.to(self.device, non_blocking=True)

    def sum(self, value: float | Tensor) -> Tensor:
        """The sum of a number over all ranks, as a float64 scalar (float32 where there is none)."""
        wide = torch.float32 if self.device.type == "mps" else torch.float64
        total = torch.as_tensor(value, dtype=wide, device=self.device)
        if self.world > 1:
            total = total.clone()
            torch.distributed.all_reduce(total)
        return total

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all ranks, in place."""
        if self.world > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    torch.distributed.all_reduce(parameter.grad)

    def any(self, flag: bool) -> bool:
        """Whether any rank says yes, so that all ranks stop at the same step."""
        return bool(self.sum(float(flag)) > 0) if self.world > 1 else flag

    def autocast(self) -> AbstractContextManager[Any]:
        """Run matrix products in the activation dtype; weights stay float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def seed(self, *numbers: int) -> None:
        """Seed dropout from (seed, step, micro-batch): resuming has nothing to restore.

        Only this device's generator: `torch.manual_seed` asks for all devices that there could
        be, which takes 0.3 ms, and this is done for each micro-batch.
        """
        mixed = np.random.SeedSequence([*numbers, self.rank]).generate_state(2, np.uint32)
        seed = int(mixed[0]) << 31 | int(mixed[1]) >> 1
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)


@dataclass(slots=True)
class TensorBatch:
    """`types.Batch` as tensors."""

    tokens: Tensor
    labels: Tensor
    positions: Tensor | None
    segments: Tensor | None
    ids: list[str]


def peak_memory_bytes() -> int:
    """The most memory this process has had, in bytes: of the GPU if one is used."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    return hardware.peak_memory_bytes()


def _device(name: Device, local_rank: int) -> torch.device:
    """The device of a setting; with several GPUs, that of this process's number on its machine."""
    have = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    here = [kind for kind, there in have.items() if there]
    if name != "auto" and name not in here:
        raise ConfigError(
            f"there is no {name} device here",
            expected=f"one of {', '.join(here)}, or auto",
            fix="--runtime.device auto",
        )
    kind = here[0] if name == "auto" else name
    return torch.device(kind, local_rank) if kind == "cuda" else torch.device(kind)
