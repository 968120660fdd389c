"""`danlu corpus` from the command line, on a corpus that `danlu prepare` made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from danlu import cli, files
from danlu.data import lineage
from danlu.data.corpus import Corpus

FABLE = "A fox saw ripe grapes on a high vine, could not reach them, and called them sour."
ESCAPE = "A title \x1b]0;owned\x07 and \u202etxt.exe in the middle of a quite usual sentence."
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for n in range(25):
        (tmp_path / "in" / f"{n}.txt").write_text(f"Fable {n}. {FABLE}")
    (tmp_path / "in" / "copy.txt").write_text(f"FABLE 7. {FABLE}")
    (tmp_path / "in" / "short.txt").write_text("Short.")
    (tmp_path / "in" / "odd.txt").write_text(ESCAPE)
    # steps are named here, so that ESC and U+202E are there whatever repair removes
    words = ["prepare", "in", "--out", "c", "--steps", "short", "exact", "-q"]
    assert cli.main(words) == 0
    return Path("c")


def ask(capsys: Capture, *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["corpus", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def trained(name: str, corpus: Path) -> Path:
    run = Path("runs") / name
    run.mkdir(parents=True)
    (run / "run.yaml").write_text("data: {vocab: 0}\n")
    files.write_json(run / lineage.NAME, lineage.record([Corpus.open(corpus)]))
    return run


def test_show(corpus: Path, capsys: Capture) -> None:
    found = ask(capsys, "show", "c")
    assert found["read"]["documents"] == 28 and found["kept"]["documents"] == 26
    assert {row["reason"] for row in found["tables"]["removed"]} == {"duplicate", "too short"}
    assert found["sha256"] == Corpus.open(corpus).sha256


def test_sample_is_the_same_each_time_and_harmless(corpus: Path, capsys: Capture) -> None:
    one = ask(capsys, "sample", "c", "--n", "5")["documents"]
    assert one == ask(capsys, "sample", "c", "--n", "5")["documents"] and len(one) == 5
    assert ask(capsys, "sample", "c", "--reason", "too short")["documents"][0]["text"] == "Short."
    assert cli.main(["corpus", "sample", "c", "--source", "odd"]) == 0
    said = capsys.readouterr().out
    assert "⟨U+001B⟩" in said and "⟨U+202E⟩" in said
    assert "\x1b" not in said and "\u202e" not in said and "\x07" not in said


def test_who_learned_a_sentence(corpus: Path, capsys: Capture) -> None:
    found = Corpus.open(corpus)
    split = {d.text[:8]: part for part in ("train", "held_out") for d in found.documents(part)}
    run = trained("a", corpus)
    for start, part in split.items():
        if start.startswith("Fable"):
            said = ask(capsys, "who", "c", f"{start.upper().strip()} ", "--n", "1")
            if part == "train":
                assert {"run": str(run), "by": "hash", "via": "corpus"} in said["runs"]
    alone = next(d for d in found.documents("held_out"))
    said = ask(capsys, "who", "c", alone.text[:12])
    if [hit["part"] for hit in said["documents"]] == ["held_out"]:
        assert said["runs"] == [] and "nothing was trained on it" in said["answer"]
    assert ask(capsys, "who", "c", "zebras quarrel")["exact"] is False
    assert cli.main(["corpus", "who", "c", "ripe grapes on a HIGH vine"]) == 0
    assert "runs/a" in capsys.readouterr().out


def test_forget_and_diff(corpus: Path, capsys: Capture) -> None:
    own_id = next(d.id for d in Corpus.open(corpus).documents("train") if "Fable 3." in d.text)
    run = trained("a", corpus)
    found = ask(capsys, "forget", "c", own_id, "--out", "new")
    assert found["forgotten"]["train"]["documents"] == 1
    assert [r["run"] for r in found["retrain"]] == [str(run)]
    assert any(str(run / "run.yaml") in command for command in found["next"])
    assert ask(capsys, "who", "new", "Fable 3.")["documents"] == []
    compared = next(iter(ask(capsys, "diff", "c", "new")["tables"].values()))
    assert {row["what"]: row["documents"] for row in compared} == {
        "same": 25, "changed": 0, "moved": 0, "only_a": 1, "only_b": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sampel", "c"], 2, "did you mean 'sample'?"),
        (["c"], 2, "danlu corpus show c"),
        (["who", "c"], 2, "who takes DIR SENTENCE"),
        (["who", "c", "two", "words"], 2, "quotation marks"),
        (["forget", "c", "an id"], 2, "--out NEW"),
        (["forget", "c", "3.txtt", "--out", "n"], 2, "did you mean '3.txt"),
        (["show", "cc"], 3, "did you mean c?"),
        (["sample", "c", "--reason", "to short"], 2, "did you mean 'too short'?"),
    ],
)
def test_mistakes(corpus: Path, capsys: Capture, words: list[str], code: int, said: str) -> None:
    capsys.readouterr()
    assert cli.main(["corpus", *words]) == code
    assert said in capsys.readouterr().err
    assert not Path("n").exists()


def test_a_dry_run_reads_the_manifest_only(corpus: Path, capsys: Capture) -> None:
    found = ask(capsys, "forget", "c", "x", "--out", "n", "--dry-run")
    assert found["plan"]["corpora"]["c"]["train"]["documents"] > 0 and not Path("n").exists()


def test_the_page(corpus: Path, capsys: Capture) -> None:
    assert ask(capsys, "report", "c")["panels"][:2] == ["verdict", "cleaning"]
    assert (corpus / "report.html").is_file()
    Corpus.open(corpus).verify()
