from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from danlu import config, discover
from danlu.commands import prepare as command
from danlu.data import inputs
from danlu.data.corpus import Corpus
from danlu.errors import ConfigError, DataError

FABLE = "A fox saw ripe grapes on a high vine, could not reach them, and called them sour."


def parse(*argv: str) -> command.Config:
    return config.parse(command.Config, argv, prog="danlu prepare")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for n in range(25):
        words = random.Random(n).sample(FABLE.split(), 16)
        (tmp_path / "in" / f"{n}.txt").write_text(f"{n}. {' '.join(words)}")
    (tmp_path / "in" / "short.txt").write_text("Short.")
    return tmp_path / "in"


def test_paths_are_positional_and_may_be_none_one_or_many() -> None:
    assert parse().paths == ()
    assert parse("a").paths == ("a",)
    cfg = parse("a", "b/*.txt", "--out", "x", "--steps", "repair", "short", "--force")
    assert cfg.paths == ("a", "b/*.txt")
    assert (cfg.out, cfg.steps, cfg.force) == (Path("x"), ("repair", "short"), True)


def test_a_yaml_file_is_a_complete_experiment_and_flags_override_it(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("paths: [poems]\nout: corpora/poems\nmin_characters: 9\n")
    cfg = parse(str(path))
    assert (cfg.paths, cfg.out, cfg.min_characters) == (("poems",), Path("corpora/poems"), 9)
    cfg = parse(str(path), "more", "--min-characters", "7")
    assert (cfg.paths, cfg.min_characters) == (("more",), 7)
    assert config.parse_yaml(command.Config, config.dump(cfg)) == cfg
    assert yaml.safe_load(config.dump(cfg))["steps"] == list(cfg.steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_charcters: 5", "did you mean 'min_characters'"),
        ("encoding: gb18031", "no encoding named 'gb18031'"),
        ("steps: [repair, exactly]", "no step named 'exactly'"),
        ("held_out: 0.9", "held_out"),
        ("python_docs_mb: 0", "python_docs_mb"),
    ],
)
def test_wrong_settings(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse_yaml(command.Config, text)


def test_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    result = command.run(parse(str(folder), "--out", str(out)))
    assert result["corpus"] == str(out)
    assert result["read"]["documents"] == 26
    assert result["removed"] == {"too short": {"documents": 1, "bytes": 6}}
    assert result["split_by"] == "file"
    assert result["next"][0].startswith(f"danlu tokenizer {out}")
    assert json.loads(json.dumps(result)) == result
    assert Corpus.open(out).manifest["counts"]["kept"] == result["kept"]


def test_plan_reads_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    plan = command.plan(parse(str(folder), "--out", str(tmp_path / "corpus")))
    assert (plan["files"], plan["readers"]) == (26, {"text": 26})
    assert plan["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert json.loads(json.dumps(plan)) == plan
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    with pytest.raises(DataError, match="no file or folder"):
        command.plan(parse("nowhere-at-all"))


def test_every_reader_is_found_by_its_suffix() -> None:
    assert inputs.readers()[".jsonl"] == "jsonl"
    assert inputs.readers()[".tsv"] == "csv"
    assert inputs.readers()[".py"] == "code"
    assert set(inputs.readers().values()) == set(discover.names("danlu.data.sources")) - {
        "python_docs",
        "hugging_face",
        "mediawiki",
    }


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, danlu.commands.prepare, danlu.data.pairs, danlu.data.inputs as i; "
        "i.readers(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
