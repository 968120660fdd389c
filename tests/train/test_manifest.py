"""Resuming: which changed settings are refused, warned of, or nobody's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from danlu import files
from danlu.errors import CheckpointError
from danlu.train.checkpoint import compare

THEN = {
    "data": "d1",
    "tokenizer": "t1",
    "model": {"n_layers": 4, "width": 64},
    "objective": "next_token",
    "batch_tokens": 1024,
    "optimizer": {"name": "muon", "betas": (0.9, 0.95)},
    "threads": 2,
    "torch": "2.13.0",
    "world": 1,
    "device": "cpu",
    "micro_batch": 4,
    "compile": False,
    "out": Path("runs/a"),
}


def test_compare_equal() -> None:
    assert compare(json.loads(files.json_bytes(THEN)), THEN) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("data", "d2"), ("tokenizer", "t2"), ("objective", "mlm"), ("batch_tokens", 2048)),
        *(("model", {"n_layers": 6, "width": 64}), ("optimizer", {"name": "adamw"})),
    ],
)
def test_compare_refuses(name: str, value: object) -> None:
    with pytest.raises(CheckpointError) as caught:
        compare(THEN, {**THEN, name: value})
    assert name in str(caught.value) and "--out" in caught.value.fix
    assert {d.kind for d in compare(THEN, {**THEN, name: value}, allow=[name])} == {"refuse"}


def test_compare_names_what_changed() -> None:
    now = {**THEN, "model": {"n_layers": 6, "width": 64}, "data": "d2", "threads": 1}
    with pytest.raises(CheckpointError) as caught:
        compare(THEN, now, allow=["model.width", "mod"])
    assert caught.value.got == "data: d1 → d2; model.n_layers: 4 → 6"
    assert [str(d) for d in compare(THEN, now, allow=["data", "model.n_layers"])] == [
        "data: d1 → d2",
        "model.n_layers: 4 → 6",
        "threads: 2 → 1",
    ]


@pytest.mark.parametrize(
    "name", ["threads", "torch", "world", "device", "micro_batch", "compile", "seed"]
)
def test_compare_warns(name: str) -> None:
    (difference,) = compare(THEN, {**THEN, name: "other"})
    assert difference.kind == "warn" and difference.name == name


def test_compare_is_silent_or_strict() -> None:
    assert [d.kind for d in compare(THEN, {**THEN, "out": "b", "log": 3})] == ["silent"] * 2
    with pytest.raises(CheckpointError, match="other settings"):
        compare(THEN, {**THEN, "never_heard_of": 1})
    with pytest.raises(CheckpointError, match="other settings"):
        compare(THEN, {k: v for k, v in THEN.items() if k != "data"})
