from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import report_example

from danlu.report import Report, collect, render


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished life. Shared: tests only read it."""
    return report_example.write_life(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="session")
def report(life: Path) -> Report:
    return collect(life, now=report_example.NOW + 10)


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    return render(report)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small finished run of its own, to be changed."""
    folder = tmp_path / "runs" / "first"
    report_example.write_base(folder, steps=300)
    return folder


def embedded(page: str) -> dict[str, Any]:
    """The JSON inside a page."""
    found = re.search(r'<script type="application/json" id="danlu-data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def panels(page: str) -> list[str]:
    """The names of the panels of a page, in order."""
    return re.findall(r'<section id="(\w+)" class="panel">', page)
