from __future__ import annotations

import json

import pytest
from report_example import NOW, write_base, write_json, write_life

from danlu.errors import ConfigError, DataError
from danlu.report import collect
from danlu.report.schema import MAX_TEXT


def test_a_life_is_two_runs_and_their_data(report):
    assert [(run.name, run.role) for run in report.runs] == [
        ("base", "pretrain"),
        ("chat", "finetune"),
    ]
    assert report.corpus is not None and report.corpus.kept is not None
    assert report.corpus.kept.documents == 15_904
    assert report.tokenizer is not None and report.tokenizer.vocab_size == 4096
    assert report.environment["cpu.flags"] == "avx2, avx512f"
    assert report.commands[0] == "danlu demo --minutes 8 --seed 0"
    assert report.problems == [] and not report.active


def test_a_run_alone(run):
    report = collect(run)
    assert [r.role for r in report.runs] == ["pretrain"]
    assert report.commands == ["danlu pretrain runs/demo/base/run.yaml --seed 0"]
    assert report.corpus is None


def test_a_run_with_answers_is_fine_tuning(life):
    assert collect(life / "chat").runs[0].role == "finetune"


def test_an_unknown_folder_names_its_nearest_sibling(run):
    with pytest.raises(ConfigError) as caught:
        collect(run.parent / "frist")
    assert f"did you mean {run}?" in str(caught.value)
    with pytest.raises(ConfigError, match="no folder"):
        collect(run / "not" / "there")


def test_a_file_is_no_folder(run):
    with pytest.raises(ConfigError, match="is a file"):
        collect(run / "run.yaml")


def test_a_folder_without_a_run_names_one_inside(run, tmp_path):
    with pytest.raises(DataError) as caught:
        collect(run.parent)
    assert f"danlu report {run}" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no run") as caught:
        collect(tmp_path / "empty")
    assert "an empty folder" in str(caught.value)


def test_data_without_a_run_yet(tmp_path):
    write_life(tmp_path, steps=2)
    for name in ("base", "chat"):
        for file in (tmp_path / name).iterdir():
            file.unlink()
    report = collect(tmp_path)
    assert report.runs == [] and report.corpus is not None


def test_broken_files_are_named_and_the_rest_is_shown(run):
    (run / "plan.json").write_text("{")
    write_json(run / "eval.json", {"loss": "low"})
    write_json(run / "status.json", {"phase": "training", "surprise": 1})
    (run / "metrics.jsonl").write_text('{"kind": "train"}\nnonsense\n{}\n')
    report = collect(run)
    plan, result, metrics = sorted(report.problems, key=lambda p: "met" in p or "ev" in p)
    assert "plan.json is not JSON" in plan
    assert "eval.json" in metrics + result and "metrics.jsonl:2" in metrics + result
    assert report.runs[0].status is not None and report.runs[0].settings


def test_counts_may_stand_in_a_dict_of_their_own(tmp_path):
    write_base(tmp_path, steps=2)
    write_json(tmp_path / "corpus/manifest.json", {"counts": {"read": {"documents": 7}}})
    corpus = collect(tmp_path).corpus
    assert corpus is not None and corpus.read is not None and corpus.read.documents == 7


def test_numbers_that_json_cannot_say_and_half_characters(run):
    record = {"kind": "sample", "step": 1, "prompt": "a", "text": "\ud83d" + "x" * 9999}
    (run / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (run / "plan.json").write_text('{"predicted": {"loss": NaN, "seconds": Infinity}}')
    write_json(run / "environment.json", {"list": [1, "\ufffd"], "nested": {"n": float("nan")}})
    report = collect(run)
    text = report.runs[0].samples[0].text
    assert text.startswith("?x") and len(text) == MAX_TEXT
    plan = report.runs[0].plan
    assert plan is not None and plan.predicted.loss is None and plan.predicted.seconds is None
    assert report.environment["nested.n"] is None


@pytest.mark.parametrize(
    ("phase", "age", "state"),
    [
        ("training", 59, "training"),
        ("training", 61, "stopped"),
        ("evaluating", 61, "evaluating"),
        ("evaluating", 3600, "stopped"),
        ("completed", 3600, "completed"),
        ("error", 3600, "error"),
    ],
)
def test_a_phase_without_a_heartbeat_is_stopped(run, phase, age, state):
    write_json(run / "status.json", {"phase": phase, "heartbeat": NOW})
    report = collect(run, now=NOW + age)
    status = report.runs[0].status
    assert status is not None and status.state(report.generated) == state
    assert report.active == (state in ("training", "evaluating"))
