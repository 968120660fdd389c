from __future__ import annotations

import webbrowser

import pytest

from danlu import config, discover
from danlu.commands import report
from danlu.errors import ConfigError


def parsed(*argv):
    return config.parse(report.Config, [str(a) for a in argv], prog="danlu report")


def test_it_writes_the_page_and_says_what_is_next(run, capsys):
    (run / "config.json").write_text("{}")
    result = report.run(parsed(run))
    assert result["report"] == str(run / "report.html")
    assert result["bytes"] == (run / "report.html").stat().st_size
    assert result["panels"][:2] == ["verdict", "loss"]
    assert result["next"] == [f"danlu report {run} --open", f"danlu chat {run}"]
    captured = capsys.readouterr()
    assert "report.html (5." in captured.err and captured.out == ""


def test_it_writes_elsewhere_and_warns_of_broken_files(run, tmp_path, capsys):
    (run / "plan.json").write_text("[")
    page = tmp_path / "new" / "page.html"
    assert report.run(parsed(run, "--out", page))["report"] == str(page)
    assert page.is_file() and not (run / "report.html").exists()
    assert "plan.json is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("works", [True, False])
def test_it_opens_a_browser(run, monkeypatch, capsys, works):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or works)
    assert report.run(parsed(run, "--open"))["next"] == []
    assert opened == [(run / "report.html").as_uri()]
    assert ("no browser" in capsys.readouterr().err) != works


def test_a_missing_folder(tmp_path):
    with pytest.raises(ConfigError):
        report.run(parsed(tmp_path / "no"))


def test_the_help_line():
    assert discover.summary("danlu.commands", "report").startswith("Write the report of a run")
