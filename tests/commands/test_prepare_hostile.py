"""`danlu prepare` and `danlu corpus` with hostile files, names and words: one clear message.

Whatever goes wrong, the exit code is that of `danlu.errors`, no half corpus is at --out, and the
same command succeeds once the cause is gone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_examples import (
    ACTING,
    BROKEN,
    LINES,
    content,
    names,
    refusal,
    refused,
    texts,
    write_good,
)

from danlu import cli, files
from danlu.data.corpus import Corpus

Capture = pytest.CaptureFixture[str]
PREPARE = ("prepare", "in", "--out", "c")
QUICK = (*PREPARE, "--steps", "short", "exact", "--processes", "1")
UNOPENED = {"bomb.zip", "out.zip", "out.tar", "rubbish.zip"}
"""What of BROKEN is found when it is looked at, before any text is read."""
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- files


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_stops_and_is_named(here: Path, capsys: Capture, name: str) -> None:
    write, what = BROKEN[name]
    write_good(here / "in")
    write(here / "in" / name)
    said = refused(capsys, 3, *QUICK)
    assert name in said
    assert what in said
    assert (here / ".c.work").exists() == ("kept in" in said)
    (here / "in" / name).unlink()
    assert cli.main([*QUICK]) == 0
    assert Corpus.open(Path("c")).manifest["counts"]["kept"]["documents"] == 6
    assert not (here / ".c.work").exists()
    assert not list(here.glob("**/evil.txt"))


def test_the_good_files_beside_broken_ones_are_kept(here: Path, capsys: Capture) -> None:
    good = {path.name for path in write_good(here / "in").iterdir()}
    for name, (write, _) in BROKEN.items():
        write(here / "in" / name)
    assert cli.main([*QUICK, "--skip-broken", "--dry-run", "--json"]) == 0
    planned = " ".join(json.loads(capsys.readouterr().out)["plan"]["broken"])
    assert {name for name in BROKEN if name in planned} == UNOPENED
    for processes in ("1", "2"):
        out = f"c{processes}"
        assert cli.main([*QUICK[:-1], processes, "--out", out, "--skip-broken"]) == 0
        said = capsys.readouterr().err
        corpus = Corpus.open(here / out)
        broken = {row["file"]: row["reason"] for row in corpus.manifest["broken"]}
        assert broken.keys() == BROKEN.keys()
        assert all(BROKEN[name][1] in reason for name, reason in broken.items())
        assert all(said.count(f"! not read to its end: {name}") == 1 for name in BROKEN)
        assert good <= texts(corpus).keys()
    assert content(here / "c1") == content(here / "c2")


def test_all_broken_is_an_error_even_so(here: Path, capsys: Capture) -> None:
    (here / "in").mkdir()
    BROKEN["rubbish.zip"][0](here / "in" / "rubbish.zip")
    assert "1 × broken, for example: rubbish.zip" in refused(capsys, 3, *PREPARE, "--skip-broken")
    BROKEN["zeros.txt.gz"][0](here / "in" / "zeros.txt.gz")
    said = refused(capsys, 3, *PREPARE, "--skip-broken")
    assert "nothing that can be read, for example: rubbish.zip" in said


def test_an_empty_folder_is_not_taken_for_a_broken_one(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    (here / "none").mkdir()
    assert "folder none" in refused(
        capsys, 3, "prepare", "in", "none", "--out", "c", "--skip-broken"
    )


@pytest.mark.parametrize(
    ("files_in", "said"),
    [
        ({}, "an empty folder"),
        ({"a.txt": b"", "b.jsonl": b""}, "2 × an empty file"),
        ({"a.txt": b" \n\n", "b.txt": b"\n"}, "without any text"),
        ({"a.txt": "短。".encode()}, "too short"),
    ],
)
def test_folders_without_text(
    here: Path, capsys: Capture, files_in: dict[str, bytes], said: str
) -> None:
    (here / "in").mkdir()
    for name, data in files_in.items():
        (here / "in" / name).write_bytes(data)
    assert said in refused(capsys, 3, *PREPARE)
    write_good(here / "in")
    assert cli.main([*PREPARE]) == 0


def test_ids_that_come_up_again_get_numbers_and_are_said(here: Path, capsys: Capture) -> None:
    (here / "in").mkdir()
    for name in "ab":
        records = [{"id": "x", "text": f"In {name}: {LINES[n]}"} for n in range(3)]
        (here / "in" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert cli.main([*PREPARE, "--steps", "short"]) == 0
    assert "4 ids came up again" in capsys.readouterr().err
    corpus = Corpus.open(Path("c"))
    assert sorted(texts(corpus)) == [
        f"{name}.jsonl#x{n}" for name in "ab" for n in ("", "~2", "~3")
    ]
    assert corpus.manifest["duplicate_ids"] == 4


def test_a_table_without_the_column(here: Path, capsys: Capture) -> None:
    (here / "in").mkdir()
    (here / "in" / "t.csv").write_text(f"id,body\n1,{LINES[0]}\n2,{LINES[1]}\n")
    said = refused(capsys, 3, *PREPARE, "--text-field", "bdoy")
    assert "t.csv has no field 'bdoy'" in said and "did you mean --text-field body?" in said


def test_a_name_that_is_not_utf_8(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    name = os.fsdecode(b"caf\xe9.txt")
    (here / "in" / name).write_text(LINES[0])
    assert "no corpus can be in" in refused(capsys, 2, "prepare", "in", "--out", name)
    for out, paths in {"c": ["in"], "d": [f"in/{name}", "in"]}.items():
        for how in ([], ["--json"]):
            assert cli.main(["prepare", *paths, "--out", out, *QUICK[4:], *how]) == 0
            capsys.readouterr()
        assert "caf\ufffd.txt" in texts(Corpus.open(Path(out)))


def test_an_empty_path_is_not_this_folder(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    assert "there is no file or folder ''" in refused(capsys, 3, "prepare", "", "--out", "c")


def test_links_that_lead_nowhere_or_back_end_there(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    for name, target in {"loop": ".", "self": "self", "gone.txt": "/nowhere/x", "up": ".."}.items():
        (here / "in" / name).symlink_to(target)
    os.mkfifo(here / "in" / "pipe.txt")
    assert cli.main([*PREPARE, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["read"]["documents"] == 6
    assert result["skipped"] == {"a pipe, socket or device": 1, "a symlink to nothing": 2}
    assert "self is not text" in refusal(capsys, 3, "prepare", "in/self", "--out", "d")


# ---- words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "repiar"], "did you mean 'repair'?"),
        (["--quality.rules", "gopherr"], "did you mean 'gopher'?"),
        (["--quality.limits", "gopher_word_min", "3"], "did you mean 'gopher_words_min'?"),
        (["--language.keep", "zh-hans"], "did you mean 'zh-Hans'?"),
        (["--personal.kinds", "emial"], "did you mean 'email'?"),
        (["--encoding", "utf9"], "did you mean 'utf-8'?"),
        (["--on", "rya"], "did you mean 'ray'?"),
        (["--on", "serial"], "one of: ray"),
        (["--steps", "exact", "repair"], "not in an order"),
        (["--min-characters", "-3"], "--min-characters: input should be"),
        (["--duplicates.similarity", "0"], "--duplicates.similarity: input should be"),
        (["--held-out", "0.9"], "--held-out: input should be"),
        (["--mix", "in", "-2"], "--mix: the weight of in"),
        (["--mix", "god-00.txt", "2"], "did you mean 'good-00.txt'?"),
        (["--out", "in"], "where the text is"),
        (["--out", "f"], "f is a file"),
        (["--out", "pipe"], "pipe is not a folder"),
        (["--out", "pipe", "--force"], "pipe is not a folder"),
        (["--out", "d"], "d holds something that is not a corpus"),
        (["--out", "d", "--force"], "d holds something that is not a corpus"),
    ],
)
def test_wrong_words(here: Path, capsys: Capture, words: list[str], said: str) -> None:
    write_good(here / "in")
    (here / "f").write_text("mine")
    (here / "d").mkdir()
    (here / "d" / "notes").write_text("mine")
    os.mkfifo(here / "pipe")
    message = refused(capsys, 2, *PREPARE, *words)
    assert said in message and "pydantic" not in message
    error = as_json(capsys, *PREPARE, *words)
    assert error["exit_code"] == 2 and error["message"] in message
    assert (here / "f").read_text() == (here / "d" / "notes").read_text() == "mine"
    assert (here / "pipe").is_fifo()


def as_json(capsys: Capture, *words: str) -> dict[str, Any]:
    """The error of a command as programs get it."""
    capsys.readouterr()
    cli.main([*words, "--json"])
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    error: dict[str, Any] = json.loads(said)["error"]
    return error


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--contamination.against", "missing.txt"], 3, "missing.txt"),
        (["--steps", "perplexity", "--perplexity.like", "missing"], 3, "missing"),
        (["--steps", "classifier"], 2, "--classifier.good"),
        (["--out", "x" * 300], 4, "choose a shorter --out"),
        (["--out", "f/c"], 4, "a part of the path is a file"),
        (["--out", "loop"], 4, "symbolic links"),
    ],
)
def test_what_is_not_there(
    here: Path, capsys: Capture, words: list[str], code: int, said: str
) -> None:
    write_good(here / "in")
    (here / "f").write_text("mine")
    (here / "loop").symlink_to("loop")
    assert said in refused(capsys, code, *PREPARE, *words)


def test_a_cluster_without_its_package(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_good(here / "in")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'danlu[ray]'" in refused(capsys, 2, *PREPARE, "--on", "ray")


def test_a_recipe_with_mistakes(here: Path, capsys: Capture) -> None:
    text = 'paths: ["in"]\nmin_charcters: 3\nheld_out: much\nquality: {rules: [gophr]}\n'
    (here / "r.yaml").write_text(text)
    said = refused(capsys, 2, "prepare", "r.yaml")
    for part in ("r.yaml:2: min_charcters", "r.yaml:3: held_out", "r.yaml:4: quality", "'gopher'"):
        assert part in said
    (here / "r.yaml").write_text('paths: ["in"]\nout: "a\\0b"\n')
    assert "no corpus can be in" in refused(capsys, 2, "prepare", "r.yaml")
    (here / "r.yaml").write_text('paths: ["a\\0b"]\n')
    assert "no file or folder" in refused(capsys, 3, "prepare", "r.yaml")


def test_the_output_may_lie_inside_the_input_or_behind_a_link(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    (here / "elsewhere").mkdir()
    (here / "link").symlink_to("elsewhere")
    (here / "new").symlink_to("in/hidden")
    for out, again in (("in/c", "in/c"), ("link", "elsewhere"), ("new", "in/hidden")):
        for said in ("train on", f"{here / again} holds this corpus already"):
            capsys.readouterr()
            assert cli.main(["prepare", "in/good-00.txt", "in/good-01.txt", "--out", out]) == 0
            assert said in capsys.readouterr().err
        assert Corpus.open(here / again).manifest["counts"]["kept"]["documents"] == 2
    assert (here / "link").is_symlink() and not list(here.glob(".*"))


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../../x": {"bytes": 1, "sha256": ""}}},
        {"files": {"train-00000.parquet": {}}},
        {"files": None},
        {"recipe": {}},
        {"recipe": {"steps": [1]}},
        {"counts": {}},
        {"counts": {"kept": 3}},
        {"removed": {"too short": "many"}},
        {"sources": 3},
        {"sources": [{}]},
    ],
    ids=str,
)
def test_a_manifest_that_somebody_else_wrote(
    here: Path, capsys: Capture, change: dict[str, Any]
) -> None:
    write_good(here / "in")
    assert cli.main([*QUICK]) == 0
    path = here / "c" / "manifest.json"
    path.write_text(json.dumps(files.read_json(path) | change))
    for words in (QUICK, *(("corpus", name, "c") for name in ("show", "sample", "report"))):
        assert "damaged" in refusal(capsys, 3, *words)
    assert cli.main([*QUICK, "--force"]) == 0
    Corpus.open(here / "c").verify()


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_nothing_but_a_folder_is_replaced(here: Path, capsys: Capture, kind: str) -> None:
    write_good(here / "in")
    assert cli.main([*QUICK]) == 0
    assert cli.main(["tokenizer", "c", "--out", "t", "--vocab", "300"]) == 0
    (here / "mine").touch() if kind == "file" else os.mkfifo(here / "mine")
    an_id = next(iter(texts(Corpus.open(Path("c")))))
    for words in (["tokenize", "c", "--tokenizer", "t"], ["corpus", "forget", "c", an_id]):
        assert "mine is " in refusal(capsys, 2, *words, "--out", "mine")
    assert (here / "mine").is_fifo() == (kind == "pipe")


# ---- what a text does to whoever looks at it


def test_nothing_in_a_text_or_a_name_acts_on_who_looks(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    name = "evil\x1b[31m\u202e<script>alert(3)<\x07.txt"
    (here / "in" / name).write_text(f"A quite usual sentence, long enough. {ACTING} And its end.")
    records = [{"id": f"{n}{ACTING}", "text": f"{LINES[n]} {ACTING}\x00"} for n in range(5)]
    (here / "in" / "e.jsonl").write_text("\n".join(map(json.dumps, records)))
    broken = "broken\x1b[31m\u202e.txt.gz"
    BROKEN["cut.txt.gz"][0](here / "in" / broken)
    assert "⟨U+001B⟩" in refused(capsys, 3, *PREPARE)
    words = [*PREPARE, "--steps", "short", "--skip-broken"]
    looks = (
        [*words, "--dry-run"],
        words,
        [*PREPARE, "--steps", "short"],
        ["corpus", "show", "c"],
        ["corpus", "sample", "c", "--n", "50"],
        ["corpus", "who", "c", "quite usual sentence"],
        ["corpus", "who", "c", f"usual \x1b[31m {ACTING}"],
        ["corpus", "diff", "c", "c"],
        ["corpus", "report", "c"],
        ["corpus", "sample", "c", "--source", "\x1b[31m"],
        ["corpus", "sample", "c", "--reason", "\u202e"],
    )
    for look in looks:
        for how in ([], ["--json"]):
            cli.main([*look, *how])
            said = capsys.readouterr()
            assert not DANGEROUS.search(said.out + said.err), (look, how)
    cli.main(["corpus", "sample", "c", "--n", "50", "--json"])
    found = json.loads(capsys.readouterr().out)["documents"]
    assert any(d["id"] == f"e.jsonl#0{ACTING}" for d in found)  # escaped, not changed
    page = (here / "c" / "report.html").read_text("utf-8")
    assert "U+202E" in page and "alert(1)" in page
    assert not any(f"{tag}alert" in page for tag in ("<script>", "</script><script>"))
    assert not re.search("[\x1b\u202a-\u202e\u2066-\u2069]", page)


def test_commands_to_try_next_are_quoted(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    (here / "in" / "good-00.txt").rename(here / "$(touch hacked); x.txt")
    assert cli.main(["prepare", "$(touch hacked); x.txt", "in", "--out", "my c"]) == 0
    said = capsys.readouterr().err
    assert "danlu demo '$(touch hacked); x.txt' in" in said
    assert "danlu tokenizer 'my c' --out tokenizer" in said


# ---- what is said where


def test_what_goes_to_which_stream(here: Path) -> None:
    write_good(here / "in")
    command = [sys.executable, "-m", "danlu", *QUICK, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert result["kept"]["documents"] == 6
    assert not set("\r\x1b") & set(done.stderr)
    assert done.stderr.startswith("reading 6 files")


def test_a_plan_writes_nothing(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    assert cli.main([*PREPARE, "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["plan"]["files"] == 6
    assert said.err == ""
    assert names() == ["in"]


def test_quiet_is_quiet(here: Path, capsys: Capture) -> None:
    write_good(here / "in")
    assert cli.main([*QUICK, "-q"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "kept documents" in said.out
    assert cli.main(["prepare", "inn", "--json", "-q"]) == 3
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert said.err == ""
    assert (error["exit_code"], error["fix"]) == (3, "did you mean in?")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sampel", "c"], "did you mean 'sample'?"),
        (["sample", "c", "--part", "trian"], "did you mean 'train'?"),
        (["sample", "c", "--reason", "to short"], "did you mean 'too short'?"),
    ],
)
def test_misspelt_words_of_the_corpus_command(
    here: Path, capsys: Capture, words: list[str], said: str
) -> None:
    write_good(here / "in")
    (here / "in" / "short.txt").write_text("Short.")
    assert cli.main([*PREPARE, "-q"]) == 0
    assert said in refusal(capsys, 2, "corpus", *words)
    files.read_json(here / "c" / "manifest.json")
