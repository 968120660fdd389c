"""Weights in several files: at every instant the folder holds the old ones or the new ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_examples import SHAPE, build, randomise, tokenizer

from danlu.errors import ModelError, ResourceError
from danlu.files import Disk
from danlu.models import hub, shards, weights
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

ONE, FOUR, MANY = 1_000_000, 30_000, 12_000
"""Sizes of a shard that give one file, four, and nine."""


class Power(BaseException):
    """The machine loses its power."""


class Failing(Disk):
    """A disk that works so many calls, then never again."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _use(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Power

    def write(self, path, parts, **options):
        self._use()
        return super().write(path, parts, **options)

    def rename(self, old, new):
        self._use()
        super().rename(old, new)

    def link(self, old, new):
        self._use()
        super().link(old, new)

    def unlink(self, path):
        self._use()
        super().unlink(path)


def other() -> Transformer:
    return randomise(Transformer(ModelConfig(**SHAPE)), seed=5)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*model*"))


def norm_of(folder: Path) -> torch.Tensor:
    """All weights of a folder in one tensor, by name."""
    with weights.Reader(folder) as reader:
        return torch.cat([reader.tensor(name).flatten() for name in sorted(reader.keys())])


@pytest.mark.parametrize("before", [ONE, FOUR, MANY])
@pytest.mark.parametrize("after", [ONE, FOUR, MANY])
def test_a_model_is_replaced(before, after, tmp_path):
    hub.save(tmp_path, build(), tokenizer(), shard_bytes=before)
    hub.save(tmp_path, other(), tokenizer(), shard_bytes=after)
    alone = tmp_path / "alone"
    hub.save(alone, other(), tokenizer(), shard_bytes=after)
    assert files_of(tmp_path) == files_of(alone), "nothing of the old model is left"
    assert torch.equal(norm_of(tmp_path), norm_of(alone))
    if after == ONE:
        assert files_of(alone) == ["model.safetensors"]
    else:
        index = json.loads((tmp_path / weights.INDEX).read_text())
        sizes = sum(p.nbytes for p in hub.load_model(tmp_path).parameters())
        assert index["metadata"]["total_size"] == sizes
        assert {*index["weight_map"].values(), weights.INDEX} == set(files_of(tmp_path))


@pytest.mark.parametrize("before", [ONE, FOUR, MANY])
@pytest.mark.parametrize("after", [ONE, FOUR])
def test_the_power_fails_at_every_call(before, after, tmp_path):
    hub.save(tmp_path / "new", other(), tokenizer(), shard_bytes=after)
    dumps = weights.dump_sharded(hub.tensors(other()), max_bytes=after)
    old, new = None, norm_of(tmp_path / "new")
    switched = []
    for calls in range(100):
        folder = tmp_path / str(calls)
        hub.save(folder, build(), tokenizer(), shard_bytes=before)
        old = norm_of(folder) if old is None else old
        try:
            shards.replace(folder, dumps, disk=Failing(calls))
        except Power:
            now = norm_of(folder)
            assert torch.equal(now, old) or torch.equal(now, new), calls
            switched.append(torch.equal(now, new))
        else:
            break
    assert switched == sorted(switched) and not switched[0], "once new, it stays new"
    shards.replace(folder, dumps)
    assert files_of(folder) == files_of(tmp_path / "new")


def test_after_a_failure_it_can_be_saved_again(tmp_path):
    hub.save(tmp_path, build(), tokenizer(), shard_bytes=FOUR)
    dumps = weights.dump_sharded(hub.tensors(other()), max_bytes=FOUR)
    for calls in range(12):
        with pytest.raises(Power):
            shards.replace(tmp_path, dumps, disk=Failing(calls))
    shards.replace(tmp_path, dumps)
    assert len(files_of(tmp_path)) == 5 and not list(tmp_path.glob(".*new"))
    assert torch.equal(hub.load_model(tmp_path).norm.weight, other().norm.weight)


def test_a_full_disk_leaves_the_old_model(tmp_path):
    class Full(Disk):
        def write(self, path, parts, **options):
            raise ResourceError("disk full")

    hub.save(tmp_path, build(), tokenizer(), shard_bytes=FOUR)
    before = norm_of(tmp_path)
    with pytest.raises(ResourceError):
        shards.replace(
            tmp_path, weights.dump_sharded(hub.tensors(other()), max_bytes=ONE), disk=Full()
        )
    assert torch.equal(norm_of(tmp_path), before)


def test_transformers_opens_shards(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = build()
    hub.save(tmp_path, model, tokenizer(), shard_bytes=MANY)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(theirs.model.norm.weight, model.norm.weight)


def test_a_missing_shard_and_a_foreign_index(tmp_path):
    hub.save(tmp_path, build(), tokenizer(), shard_bytes=FOUR)
    index = tmp_path / weights.INDEX
    good = json.loads(index.read_text())
    more = good["weight_map"] | {
        "model.layers.9.mlp.up_proj.weight": "model-00001-of-00004.safetensors"
    }
    index.write_text(json.dumps(good | {"weight_map": more}))
    with pytest.raises(ModelError, match="disagree") as caught:
        hub.load(tmp_path)
    assert "model.layers.9.mlp.up_proj.weight" in str(caught.value) and caught.value.fix
    index.write_text(json.dumps(good))
    (tmp_path / "model-00002-of-00004.safetensors").unlink()
    with pytest.raises(ModelError, match="is missing") as caught:
        hub.load(tmp_path)
    assert "model-00002-of-00004.safetensors" in str(caught.value) and caught.value.fix
