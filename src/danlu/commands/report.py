"""Write the report of a run: one HTML page that opens anywhere, offline.

    danlu report runs/demo                    writes runs/demo/report.html
    danlu report runs/demo --open             and shows it in a browser
    danlu report runs/demo --out demo.html    one file, to send to somebody
    danlu report corpus                       the page of a corpus

It can be written at any time, also while the run is going on. What it says comes from the files of
the run only; what those lack, the page leaves out.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from danlu import config, log


class Config(config.Config):
    """Settings of `danlu report`."""

    run: Positional[Path]
    """The folder of a run, of a demo with all its runs, or of a corpus."""

    out: Path | None = None
    """Where to write the page; by default report.html in that folder."""

    open: bool = False
    """Show the page in a browser."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the page; returns where it is, its size, its panels, and what to do next."""
    from danlu import report
    from danlu.data.corpus import is_corpus
    from danlu.report import corpus_page

    write = corpus_page.write if is_corpus(cfg.run) else report.write
    result = write(cfg.run, out=cfg.out)
    page = Path(result["report"])
    for problem in result["problems"]:
        log.warn(problem)
    log.say(f"report: {page} ({log.size(result['bytes'])}, {len(result['panels'])} panels)")
    if cfg.open:
        _show(page)
    chat = [folder for folder in (cfg.run / "chat", cfg.run) if (folder / "config.json").is_file()]
    return {
        **result,
        "next": [
            *([] if cfg.open else [f"danlu report {shlex.quote(str(cfg.run))} --open"]),
            *[f"danlu chat {shlex.quote(str(folder))}" for folder in chat[:1]],
        ],
    }


def _show(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        log.warn(f"no browser could be started here; open {page} in one")
