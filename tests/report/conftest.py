from __future__ import annotations

from pathlib import Path

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
