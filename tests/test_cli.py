"""The command line: help without torch, exit codes, JSON, misspellings, bugs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from danlu import cli, discover
from danlu.errors import DataError, MissingExtra, ResourceError, Stopped

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stand_in(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    """Make `danlu report X` do `work` instead."""
    command = discover.find("danlu.commands", "report", "command")
    monkeypatch.setattr(command, "run", lambda cfg: work())


def test_help_lists_every_command_with_its_first_line(capsys: Capture) -> None:
    assert cli.main(["--help"]) == 0

    said = capsys.readouterr().out
    for name in discover.names("danlu.commands"):
        assert f"  {name:<10} {discover.summary('danlu.commands', name)}" in said
    assert "130 Ctrl-C" in said


@pytest.mark.parametrize("words", [[], ["--help"], *([n, "--help"] for n in cli.ORDER)])
def test_no_help_loads_torch(words: list[str], here: Path) -> None:
    code = (
        "import sys; from danlu import cli\n"
        f"try: cli.main({words!r})\nexcept SystemExit: pass\n"
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here)

    assert done.returncode == 0, done.stderr


def test_danlu_alone_says_what_is_here_and_what_is_next(here: Path, capsys: Capture) -> None:
    assert cli.main([]) == 0
    assert "danlu demo" in capsys.readouterr().out

    folder = here / "runs" / "demo" / "chat"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert cli.main([]) == 0
    assert "danlu chat runs/demo/chat" in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("danlu 0.")


def test_a_misspelt_command_gets_the_nearest(capsys: Capture) -> None:
    assert cli.main(["pretrian"]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "did you mean 'pretrain'?" in said.err


def test_a_misspelt_flag_gets_the_nearest(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["pretrain", "--train.stpes", "7"])

    assert caught.value.code == 2
    assert "--train.steps" in capsys.readouterr().err


def test_json_is_one_object_also_for_wrong_flags(capsys: Capture) -> None:
    assert cli.main(["pretrain", "--train.stpes", "7", "--json"]) == 2

    said = json.loads(capsys.readouterr().out)
    assert said["error"]["exit_code"] == 2
    assert "--train.steps" in said["error"]["message"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("bad rows", got=3, expected="4", fix="add one"), 3),
        (ResourceError("full"), 4),
        (MissingExtra("no package"), 2),
        (Stopped("stopped", signal=2, fix="go on"), 130),
        (Stopped("stopped", signal=15), 143),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 4),
        (ZeroDivisionError("odd"), 70),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_failure_has_its_exit_code_and_no_traceback(
    error: BaseException,
    code: int,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    def work() -> None:
        raise error

    stand_in(monkeypatch, work)

    assert cli.main(["report", "x", *(["--json"] if as_json else [])]) == code

    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    if as_json:
        assert json.loads(said.out)["error"]["exit_code"] == code
    else:
        assert said.out == ""
        assert "danlu:" in said.err


def test_a_bug_leaves_its_traceback_in_a_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    stand_in(monkeypatch, lambda: {}[1])

    assert cli.main(["report", "x"]) == 70

    assert "danlu-error.log" in capsys.readouterr().err
    assert "KeyError: 1" in (here / "danlu-error.log").read_text()


def test_a_bug_with_a_name_that_is_not_utf_8_is_told_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    stand_in(monkeypatch, lambda: {}["caf\udce9"])
    assert cli.main(["report", "caf\udce9"]) == 70
    assert "danlu-error.log" in capsys.readouterr().err
    assert "caf\\udce9" in (here / "danlu-error.log").read_text()


def test_verbose_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def work() -> None:
        raise DataError("bad rows")

    stand_in(monkeypatch, work)
    assert cli.main(["report", "x", "-v"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_result_is_a_table_for_people_and_json_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    rows = [{"name": "a", "loss": 1.5}, {"name": "中文", "loss": None}]
    result = {"tokens": 1234567, "tables": {"models": rows}, "next": ["danlu chat x"]}
    stand_in(monkeypatch, lambda: dict(result))

    assert cli.main(["report", "x"]) == 0
    said = capsys.readouterr()
    assert "1,234,567" in said.out and "中文" in said.out
    assert "danlu chat x" in said.err

    assert cli.main(["report", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, **result}

    assert cli.main(["report", "x", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_failed_check_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    stand_in(monkeypatch, lambda: {"exit_code": 1, "bits": 9.9})
    assert cli.main(["report", "x", "--json"]) == 1
    assert "exit_code" not in json.loads(capsys.readouterr().out)


def test_dry_run_prints_settings_that_can_be_read_back(here: Path, capsys: Capture) -> None:
    assert cli.main(["pretrain", "--train.steps", "5", "--data.vocab", "300", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "steps: 5" in said and "muon" in said
    assert not any(here.iterdir())

    assert cli.main(["demo", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["minutes"] == 8.0


def test_a_closed_pipe_is_no_bug(here: Path) -> None:
    command = f"{sys.executable} -m danlu --help | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=here)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"TERM": "dumb"}]
)
def test_poor_terminals_do_not_break_it(environment: dict[str, str], here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "danlu"],
        capture_output=True,
        cwd=here,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0
    assert "丹炉" in done.stdout.decode("utf-8")


def test_streams_that_cannot_be_reconfigured_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []
    stream = SimpleNamespace(write=written.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.main(["--version"]) == 0
    assert "".join(written).startswith("danlu")
