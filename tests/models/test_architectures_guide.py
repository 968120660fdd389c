"""The guide to architectures: its files are valid, its families and figures are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from family_examples import CASES

from danlu import discover
from danlu.models.config import ModelConfig
from danlu.models.spelling import read_config, write_config

ROOT = Path(__file__).parents[2]
GUIDES = [ROOT / "docs" / name for name in ("architectures.md", "architectures.zh.md")]


def rows(text: str, width: int) -> list[list[str]]:
    """The cells of all tables of so many columns."""
    found = [line.strip("| \n").split(" | ") for line in text.splitlines() if line[:2] == "| "]
    return [row for row in found if len(row) == width]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_its_yaml_makes_models_that_can_be_saved(guide):
    blocks = re.findall(r"^```yaml\n(.*?)^```", guide.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 4
    for block in blocks:
        given = yaml.safe_load(block)["model"]
        config = ModelConfig(**{"vocab_size": 1_000} | given)
        assert read_config(write_config(config)) == config


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_it_shows_a_family_as_it_is(guide):
    source = (ROOT / "src/danlu/models/families/mistral.py").read_text("utf-8")
    assert source.strip() in guide.read_text("utf-8")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_every_family_and_every_case_is_listed(guide):
    text = guide.read_text("utf-8")
    families = {row[0].strip("`") for row in rows(text, 5) if row[0].startswith("`")}
    assert families == set(discover.names("danlu.models.families"))
    measured = [row for row in rows(text, 7) if row[1].startswith("`")]
    assert {row[0]: row[1].strip("`") for row in measured} == {k: v[0] for k, v in CASES.items()}


def test_both_languages_have_the_same_figures_and_knobs():
    texts = [guide.read_text("utf-8") for guide in GUIDES]
    figures = [[row[1:] for row in rows(text, 7) + rows(text, 6)][1:] for text in texts]
    same = [[row for row in found if re.search(r"\d", "".join(row[1:]))] for found in figures]
    assert same[0] == same[1] and len(same[0]) > len(CASES)
    knobs = [set(re.findall(r"`([a-z_]+)`", text)) for text in texts]
    assert knobs[0] == knobs[1]
    assert {"kind", "position", "window", "qk_norm", "n_experts"} <= knobs[0]
    named = {word for word in knobs[0] if word in ModelConfig.model_fields}
    assert len(named) > 35
