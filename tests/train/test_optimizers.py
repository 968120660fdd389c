"""Which optimizer moves what; each beside torch's own, and its state by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from train_examples import OPTIMIZERS, model, same, snapshot

from danlu.errors import CheckpointError
from danlu.models.transformer import Transformer, parameters
from danlu.train.optimizers import Optimizer, build
from danlu.train.settings import OptimizerConfig

MODELS = {
    "tied": {"tied": True},
    "untied": {"tied": False},
    "gpt2": {"norm": "layer", "position": "learned", "mlp_bias": True, "qkv_bias": True},
}


def with_gradients(built: Transformer, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters(built).values():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def run(built: Transformer, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        with_gradients(built, step)
        optimizer.step(1 - step / 10, (step + 0.5) / 10)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_like_torch(kind: str, name: Any) -> None:
    """Five steps at five rates; decay on matrices only."""
    cfg = OptimizerConfig(name=name, lr=0.02, weight_decay=0.3, momentum=0.9, beta1=0.8)
    ours, theirs = model(**MODELS[kind]), model(**MODELS[kind])
    run(ours, build(ours, cfg), range(5))
    own = list(parameters(theirs).values())
    groups = [
        {"params": [p for p in own if p.ndim == 2], "weight_decay": 0.3},
        {"params": [p for p in own if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if name == "adamw":
        optimizer = torch.optim.AdamW(groups, betas=(0.8, 0.95), eps=1e-10, fused=True)
    else:
        optimizer = torch.optim.SGD(groups, momentum=0.9)
    for step in range(5):
        with_gradients(theirs, step)
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 10)
        optimizer.step()
    assert same(snapshot(ours), snapshot(theirs))


def test_sgd_without_momentum_has_no_state() -> None:
    built = model()
    before = snapshot(built)
    optimizer = build(built, OptimizerConfig(name="sgd", lr=0.5, momentum=0, weight_decay=0))
    assert optimizer.state() == {}
    run(built, optimizer, range(1))
    for name, parameter in parameters(built).items():
        assert torch.equal(parameter, before[name] - 0.5 * parameter.grad)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_building_changes_nothing(name: str) -> None:
    built = model()
    with_gradients(built, 0)
    before = snapshot(built)
    grads = {n: p.grad for n, p in parameters(built).items()}
    optimizer = build(built, OPTIMIZERS[name])
    assert same(before, snapshot(built))
    assert all(p.grad is grads[n] for n, p in parameters(built).items())
    assert all(not tensor.any() for tensor in optimizer.state().values())
    optimizer.zero_grad()
    assert all(p.grad is None for p in parameters(built).values())
    assert float(optimizer.gradient_norm()) == 0.0


def test_norm_and_clipping() -> None:
    built = model()
    optimizer = build(built, OptimizerConfig(clip=0.5))
    with_gradients(built, 0)
    before = {n: p.grad.clone() for n, p in parameters(built).items() if p.grad is not None}
    norm = optimizer.gradient_norm()
    flat = torch.cat([g.flatten() for g in before.values()])
    assert float(norm) == pytest.approx(float(flat.norm()), rel=1e-5)
    optimizer.clip_to(norm)
    for name, parameter in parameters(built).items():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, before[name] * 0.5 / norm)
    build(built, OptimizerConfig()).clip_to(norm)  # 0: as it is
    assert float(optimizer.gradient_norm()) == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_table_lists_every_tensor_once(kind: str, name: str) -> None:
    built = model(**MODELS[kind])
    cfg = OPTIMIZERS[name]
    optimizer = build(built, cfg)
    table = {row["tensor"]: row for row in optimizer.table()}
    named = parameters(built)
    assert len(table) == len(optimizer.table()) and table.keys() == named.keys()
    assert ("head.weight" in table) == (kind == "untied")
    assert len(optimizer.parameters) == len(named)
    for tensor, row in table.items():
        assert row["shape"] == tuple(named[tensor].shape)
        matrix = len(row["shape"]) == 2
        inside = tensor.startswith("blocks.")
        assert row["optimizer"] == ("adamw" if name == "muon" and not (matrix and inside) else name)
        if name != "muon":
            assert (row["lr"], row["decay"]) == (cfg.lr, cfg.weight_decay if matrix else 0.0)
        elif not matrix:
            assert (row["lr"], row["decay"]) == (cfg.vector_lr, 0.0)
        else:
            wanted = (cfg.lr, cfg.weight_decay) if inside else (cfg.embed_lr, 0.0)
            assert (row["lr"], row["decay"]) == wanted


def test_frozen_tensors_are_left_out() -> None:
    built = model()
    built.blocks.requires_grad_(False)
    optimizer = build(built, OPTIMIZERS["adamw"])
    assert [row["tensor"] for row in optimizer.table()] == ["embed.weight", "norm.weight"]
    before = snapshot(built)
    run(built, optimizer, range(2))
    changed = {
        name for name, tensor in snapshot(built).items() if not same_one(tensor, before, name)
    }
    assert changed == {"embed.weight", "norm.weight"}


def same_one(tensor: Tensor, before: dict[str, Tensor], name: str) -> bool:
    return torch.equal(tensor, before[name])


# ---- state by name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_is_saved_and_restored_by_name(name: str) -> None:
    first, second = model(), model(seed=1)
    one = build(first, OPTIMIZERS[name])
    run(first, one, range(3))
    kept = {key: tensor.clone() for key, tensor in one.state().items()}
    assert all(key.split("/", 1)[1] in parameters(first) for key in kept)
    with torch.no_grad():
        for key, parameter in parameters(second).items():
            parameter.copy_(parameters(first)[key])
    other = build(second, OPTIMIZERS[name])
    other.restore(kept, kept.__getitem__)
    assert same(kept, other.state())
    run(first, one, range(3, 6))
    run(second, other, range(3, 6))
    assert same(snapshot(first), snapshot(second)) and same(one.state(), other.state())


def test_state_names() -> None:
    built = model()
    kinds = {key.split("/")[0] for key in build(built, OPTIMIZERS["muon"]).state()}
    assert kinds == {"momentum", "row_square", "exp_avg", "exp_avg_sq", "step"}
    plain = build(built, OptimizerConfig(even_rows=False)).state()
    assert not any(key.startswith("row_square") for key in plain)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_of_another_run_is_refused(name: str) -> None:
    optimizer = build(model(), OPTIMIZERS[name])
    mine = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    first = min(mine)
    with pytest.raises(CheckpointError, match="of another run") as caught:
        optimizer.restore([*mine][1:], mine.__getitem__)
    assert caught.value.got == [next(iter(mine))]
    with pytest.raises(CheckpointError, match="of another run"):
        optimizer.restore([*mine, "exp_avg/more"], mine.__getitem__)
    wrong = {**mine, first: torch.zeros(3, 1, 4)}
    with pytest.raises(CheckpointError, match=f"{first} has another shape") as caught:
        optimizer.restore(wrong, wrong.__getitem__)
    assert caught.value.got == (3, 1, 4)
