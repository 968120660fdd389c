"""`Report` -> one HTML page: final (a single file, plotly inside) or live (small, plotly beside).

The final page opens by double click, offline, anywhere. While training, `write(live=True)` is
called every few seconds: plotly is written beside the page once, and the page fetches what changed
as a script, `report.data.js`, since a page from `file://` may load scripts but not data. When the
final page replaces it, the two extra files go, and an open live page reloads itself into it.

Documents, samples and names are hostile input. Templates escape them, the JSON in the page has no
`<`, and the content security policy allows no network and, by their hashes, only our own scripts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import jinja2
from markupsafe import Markup

from danlu.files import Disk, write_atomic
from danlu.report import wording
from danlu.report.charts import figures
from danlu.report.collect import collect
from danlu.report.palette import PALETTES
from danlu.report.panels import PANELS
from danlu.report.records import Report


class Named(Protocol):
    """What a page is about."""

    @property
    def name(self) -> str:
        """What the page is called."""


PAGE, SCRIPT, DATA = "report.html", "plotly.min.js", "report.data.js"


def render(report: Report, *, live: bool = False) -> str:
    """The page as HTML; a live one expects `plotly.min.js` and `report.data.js` beside it."""
    return assemble(report, sections(report, live=live), _data(report), live=live)


def write(folder: Path, *, live: bool = False, out: Path | None = None) -> dict[str, Any]:
    """Write the page of a run or life folder; returns its path, size in bytes, panels, problems.

    `out` puts the page elsewhere; by default it is `report.html` in the folder. Whoever trains
    writes the final page after `status.json` says that the run is over: then the page stops being
    live. A final page of a run that goes on is a picture of that moment.

    Raises:
        ConfigError, DataError: see `collect`.
        ResourceError: it cannot be written.
    """
    report = collect(folder)
    path = folder / PAGE if out is None else out
    panels, content = sections(report, live=live), _data(report)
    page = assemble(report, panels, content, live=live).encode("utf-8", "replace")
    script, data = path.with_name(SCRIPT), path.with_name(DATA)
    if live:
        if not script.is_file():
            write_atomic(script, _plotly().encode(), sync=False)
        update = f'danluUpdate({{{content},"sections":{script_json(panels)}}})\n'
        write_atomic(data, update.encode("utf-8", "replace"), sync=False)
    write_atomic(path, page, sync=not live)
    if not live and not report.active and data.is_file():  # this page was live until now
        Disk().unlink(data)
        Disk().unlink(script)
    return {
        "report": str(path),
        "bytes": len(page),
        "panels": list(panels),
        "problems": report.problems,
    }


def sections(report: Report, *, live: bool) -> dict[str, Markup]:
    """Each panel's HTML by its name, in the order of the page; absent data, no panel."""
    found = {}
    for name, panel in PANELS.items():
        values = panel(report)
        if values is not None:
            template = environment().get_template(f"panels/{name}.html.j2")
            found[name] = Markup(template.render(**values, report=report, live=live))
    return found


def _data(report: Report) -> str:
    """What charts are drawn from, as the inside of a JSON object."""
    return f'"report":{script_json(report.model_dump())},"figures":{script_json(figures(report))}'


def assemble(
    report: Named,
    panels: dict[str, Markup],
    data: str,
    *,
    live: bool = False,
    footer: str = "page.footer",
) -> str:
    """A page of some panels; `data` is the inside of the JSON object that charts are drawn from."""
    strings = {language: wording.strings(language) for language in wording.LANGUAGES}
    fixed = script_json({"live": live, "strings": strings, "palettes": PALETTES})
    script, plotly = _source("report.js"), "" if live else _plotly()
    sources = f"{_hash(script)} 'self'" if live else f"{_hash(script)} {_hash(plotly)}"
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            live=live,
            footer=footer,
            sections=panels,
            policy="default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            f"script-src {sources}; base-uri 'none'; form-action 'none'",
            palettes=PALETTES,
            css=Markup(_source("report.css")),
            script=Markup(script),
            plotly=Markup(plotly),
            plotly_file=SCRIPT,
            payload=Markup(f"{fixed[:-1]},{data}}}"),
        )
    )


def script_json(value: Any) -> str:
    """JSON that can stand inside `<script>`: whatever a text holds, it cannot end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(script: str) -> str:
    """A script's hash as a content security policy spells it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@lru_cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


@lru_cache
def _source(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@lru_cache
def environment() -> jinja2.Environment:
    """The templates, with what they may call."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("danlu.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(
        t=wording.text,
        attr=wording.attribute,
        num=wording.number,
        named=wording.named,
        fact=wording.fact,
        label=wording.label,
        refer=wording.refer,
    )
    return environment
