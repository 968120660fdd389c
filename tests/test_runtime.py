"""The machine that a run uses. What several ranks do together is in train/test_ranks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from danlu import hardware
from danlu.errors import ConfigError
from danlu.hardware import RuntimeConfig
from danlu.runtime import Runtime, peak_memory_bytes
from danlu.types import Batch

CPU = Runtime(torch.device("cpu"), torch.float32)


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One process, and afterwards the settings of torch that were there."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def test_start_on_the_cpu() -> None:
    runtime = Runtime.start(RuntimeConfig(device="cpu", threads=1))
    assert (runtime.device.type, runtime.dtype) == ("cpu", torch.float32)
    assert (runtime.rank, runtime.world) == (0, 1)
    assert torch.get_num_threads() == 1
    Runtime.start(RuntimeConfig(device="cpu"))
    assert torch.get_num_threads() == hardware.cores()
    half = Runtime.start(RuntimeConfig(device="cpu", dtype="bfloat16"))
    assert half.dtype == torch.bfloat16


def test_tiny_numbers_are_flushed() -> None:
    Runtime.start(RuntimeConfig(device="cpu", threads=1))
    assert float(torch.tensor([1e-30]) * torch.tensor([1e-12])) == 0.0


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> list[Any]:
    """A machine with other devices; returns what `set_device` was given."""
    chosen: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda precision: None)
    return chosen


@pytest.mark.parametrize(
    ("cuda", "mps", "auto", "dtype"),
    [
        (True, True, "cuda", torch.bfloat16),
        (False, True, "mps", torch.float32),
        (False, False, "cpu", torch.float32),
    ],
)
def test_auto_takes_the_best_there_is(
    cuda: bool, mps: bool, auto: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    runtime = Runtime.start(RuntimeConfig(threads=1))
    assert (runtime.device.type, runtime.dtype) == (auto, dtype)


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = pretend(monkeypatch, cuda=True, mps=False)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert Runtime.start(RuntimeConfig(threads=1)).device == torch.device("cuda:3")
    assert chosen == [torch.device("cuda:3")]


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=False, mps=True)
    with pytest.raises(ConfigError, match="there is no cuda device here") as caught:
        Runtime.start(RuntimeConfig(device="cuda"))
    assert caught.value.expected == "one of mps, cpu, or auto"
    assert caught.value.fix == "--runtime.device auto"


def test_put() -> None:
    tokens = np.arange(6, dtype=np.int32).reshape(2, 3)
    plain = CPU.put(Batch(tokens=tokens, labels=tokens[:, ::-1], ids=["a"]))
    assert plain.tokens.dtype == plain.labels.dtype == torch.int64
    assert plain.labels.tolist() == [[2, 1, 0], [5, 4, 3]]
    assert plain.positions is None and plain.segments is None and plain.ids == ["a"]
    full = CPU.put(Batch(tokens, tokens, positions=tokens, segments=tokens))
    assert full.positions is not None and full.segments is not None
    assert full.positions.tolist() == full.segments.tolist() == tokens.tolist()
    plain.tokens[0, 0] = 99
    assert tokens[0, 0] == 0


def test_sum_of_one_rank() -> None:
    total = CPU.sum(2**53 - 1)
    assert total.dtype == torch.float64 and int(total) == 2**53 - 1
    number = torch.tensor(1.5, requires_grad=True)
    assert float(CPU.sum(number.detach())) == 1.5
    assert CPU.any(True) is True and CPU.any(False) is False
    weight = torch.ones(2)
    weight.grad = torch.full((2,), 3.0)
    CPU.sum_gradients([weight, torch.ones(1)])
    assert weight.grad.tolist() == [3.0, 3.0]


def test_what_is_asked_of_torch_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two real processes are in train/test_ranks; here, what they ask for."""
    groups: list[str] = []
    monkeypatch.setattr(torch.distributed, "init_process_group", groups.append)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    runtime = Runtime.start(RuntimeConfig(device="cpu", threads=1))
    assert (runtime.rank, runtime.world, groups) == (1, 2, ["gloo"])
    number = torch.tensor(1.5, dtype=torch.float64)
    assert float(runtime.sum(number)) == 3.0 and float(number) == 1.5  # not in place
    assert runtime.any(True) and not runtime.any(False)
    weight = torch.ones(2)
    weight.grad = torch.full((2,), 3.0)
    runtime.sum_gradients([weight, torch.ones(1)])
    assert weight.grad.tolist() == [6.0, 6.0]
    pretend(monkeypatch, cuda=True, mps=False)
    Runtime.start(RuntimeConfig(threads=1))
    assert groups == ["gloo", "nccl"]


def test_autocast() -> None:
    half = Runtime(torch.device("cpu"), torch.bfloat16)
    a = torch.ones(2, 2)
    with half.autocast():
        assert (a @ a).dtype == torch.bfloat16
    with CPU.autocast():
        assert (a @ a).dtype == torch.float32


def test_seeds_make_dropout_repeatable() -> None:
    def dropped(*numbers: int, rank: int = 0) -> list[float]:
        Runtime(CPU.device, CPU.dtype, rank=rank, world=2).seed(*numbers)
        return torch.nn.functional.dropout(torch.ones(64)).tolist()

    first = dropped(0, 7, 1)
    torch.rand(5)
    assert dropped(0, 7, 1) == first
    others = [dropped(1, 7, 1), dropped(0, 8, 1), dropped(0, 7, 0), dropped(0, 7, 1, rank=1)]
    assert len({tuple(row) for row in [first, *others]}) == 5


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_only_the_generator_of_the_device_is_seeded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(getattr(torch, kind), "manual_seed", seeds.append)
    before = torch.default_generator.get_state()
    Runtime(torch.device(kind), torch.float32).seed(0, 7, 1)
    assert torch.equal(torch.default_generator.get_state(), before)
    CPU.seed(0, 7, 1)
    assert torch.default_generator.initial_seed() == seeds[0] < 1 << 63


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    own = hardware.peak_memory_bytes()
    assert 10e6 < own <= peak_memory_bytes()
    assert own < hardware.total_memory_bytes() < 1e15
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 123)
    assert peak_memory_bytes() == 123
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 0)
    assert peak_memory_bytes() >= own


def test_systems_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def absent(*arguments: Any) -> Any:
        raise AttributeError

    monkeypatch.setattr(os, "sched_getaffinity", absent)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert hardware.cores() == 1
    monkeypatch.setattr(os, "sysconf", absent)
    assert hardware.total_memory_bytes() == 0
    monkeypatch.setitem(sys.modules, "resource", None)
    assert hardware.peak_memory_bytes() == 0
