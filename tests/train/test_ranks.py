"""Two processes train like one. Gloo on the CPU, which meets through a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_training_steps import NARROW, WIDE, Spoiled, Still, Wide, cut, rows, wide_model
from torch import Tensor
from train_examples import CPU, STEPS, model, same, snapshot, stream, train_config

from danlu.data.batches import StreamBatches
from danlu.errors import TrainingError
from danlu.hardware import RuntimeConfig
from danlu.models.transformer import parameters
from danlu.runtime import Runtime
from danlu.train import optimizers
from danlu.train.horizon import Steps
from danlu.train.objectives.next_token import NextToken
from danlu.train.settings import OptimizerConfig
from danlu.train.steps import steps

WORLD = 2
OPTIMIZERS = ("muon", "adamw")


def trained(name: Any, runtime: Runtime) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and weights of a short run."""
    cfg, built = train_config(), model()
    source = StreamBatches(
        stream(), context=16, rows=3, micro_rows=1, rank=runtime.rank, world=runtime.world
    )
    infos = steps(
        built,
        NextToken(),
        source,
        optimizers.build(built, OptimizerConfig(name=name, clip=1.0)),
        horizon=Steps(cfg.steps or 0),
        factor=lambda progress: 1 - progress,
        runtime=runtime,
    )
    return [info.loss for info in infos], snapshot(built)


def uneven(runtime: Runtime) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Loss, counts and gradient of one float64 step; with two ranks, one has all the labels of
    its second micro-batch masked."""
    built = wide_model()
    still = Still(built)
    order = [0, 1, 2, 4, 5] if runtime.world == 1 else [[0, 1, 2], [4, 5]][runtime.rank]
    micro = [cut(rows(), [1] * 6)[row] for row in order]
    (info,) = steps(
        built,
        Wide(),
        lambda step: micro,
        still,
        horizon=Steps(1),
        factor=lambda progress: 1.0,
        runtime=runtime,
    )
    figures = {"loss": info.loss, "units": info.units, "tokens": info.tokens, **info.metrics}
    return figures, dict(zip(parameters(built), still.grads, strict=True))


def spoiled(runtime: Runtime) -> dict[str, Any]:
    """What every rank says when one of them gets a loss that is not finite."""
    built = model()
    before = snapshot(built)
    objective = Spoiled(lambda _, loss: loss * float("nan")) if runtime.rank else NextToken()
    stream_ = steps(
        built,
        objective,
        lambda step: cut(rows(), [3, 3]),
        optimizers.build(built, OptimizerConfig()),
        horizon=Steps(1),
        factor=lambda progress: 1.0,
        runtime=runtime,
    )
    try:
        list(stream_)
    except TrainingError as error:
        return {"said": error.what, "unchanged": same(before, snapshot(built))}
    return {"said": "nothing"}


def work(folder: Path, rank: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(WORLD)}
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD
    )
    runtime = Runtime.start(RuntimeConfig(device="cpu", threads=1))
    figures, gradient = uneven(runtime)
    said: dict[str, Any] = {"uneven": figures, "spoiled": spoiled(runtime)}
    save_file(gradient, folder / f"gradient-{rank}.safetensors")
    for name in OPTIMIZERS:
        said[name], weights = trained(name, runtime)
        save_file(weights, folder / f"{name}-{rank}.safetensors")
    said["sum"] = float(runtime.sum(rank + 0.5)), float(runtime.sum(torch.tensor(2)))
    said["any"] = runtime.any(rank == 1), runtime.any(False)
    runtime.seed(1, 2)
    said["dropout"] = torch.rand(1).item()
    (folder / f"{rank}.json").write_text(json.dumps(said))
    torch.distributed.destroy_process_group()


def side_by_side(work: Callable[[int], None]) -> list[int]:
    """Exit codes of children that run at the same time."""
    children = []
    for rank in range(WORLD):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                work(rank)
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("ranks")
    torch.set_num_threads(1)
    assert side_by_side(lambda rank: work(folder, rank)) == [0, 0]
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]


Both = tuple[Path, list[dict[str, Any]]]


def test_loss_and_gradient_in_float64(both: Both) -> None:
    folder, said = both
    figures, gradient = uneven(CPU)
    size = torch.cat([t.flatten() for t in gradient.values()]).norm()
    for rank in range(WORLD):
        assert said[rank]["uneven"] == pytest.approx(figures, rel=WIDE)
        theirs = load_file(folder / f"gradient-{rank}.safetensors")
        assert max(float((theirs[n] - g).abs().max() / size) for n, g in gradient.items()) < WIDE


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_and_weights_after_some_steps(both: Both, name: str) -> None:
    folder, said = both
    losses, weights = trained(name, CPU)
    first, second = (load_file(folder / f"{name}-{rank}.safetensors") for rank in range(WORLD))
    assert said[0][name] == said[1][name] == pytest.approx(losses, rel=NARROW * STEPS)
    assert len(losses) == STEPS and losses[-1] < losses[0]
    assert same(first, second)
    for key, weight in weights.items():
        assert float((first[key] - weight).norm() / weight.norm()) < 1e-4, key


def test_all_ranks_stop_when_one_is_not_finite(both: Both) -> None:
    for said in both[1]:
        assert "step 1 is not finite" in said["spoiled"]["said"] and said["spoiled"]["unchanged"]


def test_reductions_and_seeds(both: Both) -> None:
    one, other = both[1]
    assert one["sum"] == other["sum"] == [2.0, 4.0]
    assert one["any"] == other["any"] == [True, False]
    assert one["dropout"] != other["dropout"]
