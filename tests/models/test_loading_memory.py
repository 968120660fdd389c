"""Loading and saving hold no tensor twice: peak memory of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from model_examples import tokenizer

from danlu.models import hub
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")

CODE = """
import json, pathlib, sys, torch
torch.set_num_threads(1)
from danlu.models import hub
from danlu.tokenizer import Tokenizer
def now(key="VmRSS"):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024
def peak(work):
    open("/proc/self/clear_refs", "w").write("5")  # VmHWM starts again from here
    before = now()
    result = work()
    return now("VmHWM") - before, result
found = {}
for folder in map(pathlib.Path, sys.argv[1:]):
    dtype = torch.bfloat16 if "bfloat16" in folder.name else torch.float32
    tokenizer, again = Tokenizer.load(folder), folder.with_name(folder.name + ".again")
    load, model = peak(lambda: hub.load_model(folder, dtype=dtype))
    save, _ = peak(lambda: hub.save(again, model, tokenizer, shard_bytes=20_000_000))
    found[folder.name] = [sum(p.nbytes for p in model.parameters()), load, save]
print(json.dumps(found))
"""
"""Of each folder: its model's bytes, and by how much loading and saving raise the peak."""

WIDE: dict[str, Any] = {"vocab_size": 20_000, "d_model": 512, "n_layers": 2, "n_heads": 8}
WIDE |= {"n_kv_heads": 8, "head_dim": 64, "d_ff": 4096, "max_len": 64}
PLAIN = {"norm": "layer", "qk_norm": "none", "gated": False, "mlp_bias": True}
BIASES = {"qkv_bias": True, "out_bias": True}
SMALL = {"vocab_size": 304, "n_layers": 1, "d_model": 64, "d_ff": 64}
KINDS = {
    "first": WIDE | SMALL,  # what is loaded once a process
    "plain": WIDE,
    "plain bfloat16": WIDE,
    "transposed": WIDE | PLAIN | BIASES | {"model_type": "gpt2", "position": "learned"},
    "heads": WIDE | PLAIN | BIASES | {"model_type": "gpt_neox", "parallel": True, "tied": False},
    "stacked": WIDE | {"model_type": "phi3", "qk_norm": "none", "tied": False},
}
ROOM = 12e6
"""What may come to the model's bytes: less than the embedding, the tensor not to hold twice."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, list[int]]:
    folders = []
    for kind, knobs in KINDS.items():
        folders.append(tmp_path_factory.mktemp("memory") / kind)
        model = Transformer(ModelConfig(**knobs))
        model = model.bfloat16() if "bfloat16" in kind else model
        hub.save(folders[-1], model, tokenizer(), shard_bytes=30_000_000)
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, folders)], capture_output=True, text=True, check=True
    )
    for folder in folders:
        models = [hub.load_model(f) for f in (folder, folder.with_name(folder.name + ".again"))]
        both = zip(*(model.parameters() for model in models), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in both)
    result: dict[str, list[int]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_the_peak_is_little_more_than_the_model(measured, kind):
    size, load, save = measured[kind]
    assert size > 4 * ROOM or "16" in kind
    assert load < size + ROOM
    assert save < ROOM
