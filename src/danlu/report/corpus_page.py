"""A corpus -> one HTML page: what came in, what went out and why, and what is left.

It looks, speaks and is protected like the page of a run (`page`): a single file that opens offline,
in English and Chinese, light and dark.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from danlu.data.corpus import Corpus
from danlu.files import write_atomic
from danlu.report import charts, page
from danlu.report.corpus_panels import PANELS, sizes
from danlu.report.corpus_records import CorpusReport, read


def collect(folder: Path, *, now: float | None = None) -> CorpusReport:
    """What the page of a corpus shows.

    Raises:
        DataError: there is no corpus in the folder, or one that cannot be used.
    """
    corpus = Corpus.open(folder)
    return read(
        corpus.manifest,
        name=folder.resolve().name,
        sha256=corpus.sha256,
        now=time.time() if now is None else now,
    )


def render(report: CorpusReport) -> str:
    """The page as HTML."""
    lengths = report.lengths.model_dump() if report.lengths else None
    shown = page.script_json({"runs": [], "corpus": {"lengths": lengths}})
    data = f'"report":{shown},"figures":{page.script_json(figures(report))}'
    return page.assemble(report, sections(report), data, footer="page.footer.corpus")


def write(folder: Path, *, out: Path | None = None) -> dict[str, Any]:
    """Write the page of a corpus, by default `report.html` in its folder; as `page.write`.

    Raises:
        DataError: see `collect`.
        ResourceError: it cannot be written.
    """
    report = collect(folder)
    path = folder / page.PAGE if out is None else out
    text = render(report).encode("utf-8", "replace")
    write_atomic(path, text)
    return {
        "report": str(path),
        "bytes": len(text),
        "panels": list(sections(report)),
        "problems": report.problems,
    }


def sections(report: CorpusReport) -> dict[str, Markup]:
    """Each panel's HTML by its name, in the order of the page; absent data, no panel."""
    found = {}
    for name, panel in PANELS.items():
        if (values := panel(report)) is not None:
            template = page.environment().get_template(f"corpus/{name}.html.j2")
            found[name] = Markup(template.render(**values, report=report))
    return found


def figures(report: CorpusReport) -> dict[str, charts.Figure]:
    """Every figure of the page, by the name that its place carries."""
    near = report.duplicates.near if report.duplicates else None
    found = {
        "lengths": charts.lengths(report.lengths) if report.lengths else None,
        "sizes": charts.groups(sizes(near.sizes)) if near else None,
    }
    return {name: figure for name, figure in found.items() if figure is not None}
