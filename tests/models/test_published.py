"""Published config.json files, and defaults: read as transformers reads them."""

from __future__ import annotations

import json

import pytest
from published_configs import PUBLISHED

from danlu import discover
from danlu.models import plausible, spelling

every_one = pytest.mark.parametrize("name", PUBLISHED)


def as_written_by_transformers(config: dict, folder) -> dict:
    """The config as transformers understands and writes it again, in its own newer spelling."""
    transformers = pytest.importorskip("transformers")
    own = {key: value for key, value in config.items() if key != "auto_map"}
    (folder / "config.json").write_text(json.dumps(own))
    read = transformers.AutoConfig.from_pretrained(folder)
    return json.loads(read.to_json_string(use_diff=False))


@every_one
def test_it_gives_the_right_knobs(name):
    config, knobs = PUBLISHED[name]
    read = spelling.read_config(config)
    for knob, value in knobs.items():
        got = getattr(read, knob)
        assert got == (pytest.approx(value) if isinstance(value, float) else value), knob


@every_one
def test_both_spellings_mean_the_same(name, tmp_path):
    config, _ = PUBLISHED[name]
    again = spelling.read_config(as_written_by_transformers(config, tmp_path))
    # transformers 5 says where T5 scales its logits, and ties all heads
    odd = {"tied", "logit_scale"} if name == "google/flan-t5-small" else set()
    mine = spelling.read_config(config).model_dump(exclude=odd)
    assert again.model_dump(exclude=odd) == mine


@every_one
def test_it_is_written_and_read_again(name):
    read = spelling.read_config(PUBLISHED[name][0])
    assert spelling.read_config(json.loads(json.dumps(spelling.write_config(read)))) == read


def test_every_family_is_among_them():
    names = set(discover.names("danlu.models.families")) - {"danlu"}
    assert names == {config["model_type"] for config, _ in PUBLISHED.values()}


@pytest.mark.parametrize("kind", sorted(set(discover.names("danlu.models.families")) - {"danlu"}))
def test_what_a_config_leaves_out_means_what_it_means_there(kind, tmp_path):
    sizes = {key: knob.split()[0] for key, knob in spelling.find(kind).keys.items()}
    few = {"n_heads": 32, "d_model": 1024, "n_layers": 12}
    bare = {key: few.get(knob, 512) for key, knob in sizes.items() if knob in plausible.SIZES}
    bare["model_type"] = kind
    written = as_written_by_transformers(bare, tmp_path)
    assert spelling.read_config(bare).model_dump() == spelling.read_config(written).model_dump()
