"""Report -> plotly figures, as plain dicts. Pure functions; plotly itself is not imported.

A figure names what the reader may change or what is already in the page, instead of copying it:

    @t.KEY    a text of the string tables           @d.PATH   a value of the report, such as
    @c.NAME   a colour of the palette                         runs.0.series.loss.value

and `{x}` in any of them is the chosen x axis (step, tokens or minutes). The page's script resolves
these for its language and theme; `references.resolve` does the same in Python.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from danlu.report.records import Lengths, Report, Run, Scores

Figure = dict[str, Any]

AXES = ("step", "tokens", "minutes")
SMALL: dict[str, tuple[str, str]] = {
    "eval_bits_per_byte": (".4~f", ""),
    "eval_accuracy": (".3~p", ""),
    "lr": (".3~g", ""),
    "grad_norm": (".3~g", ""),
    "tokens_per_s": (".3~s", ""),
    "memory_bytes": (".3~s", "B"),
}
"""The small charts in their order: d3 format of the values, and their unit."""
MAX_LABEL = 26
OWN = "this model"
KNOWN = {
    OWN: "own",
    "uniform (ln V)": "uniform",
    "unigram": "unigram",
    "bigram": "bigram",
    "Kneser-Ney 5-gram": "kneser_ney",
    "nearest question": "nearest_question",
    "most frequent answer": "most_frequent",
    "repeat the question": "repeat",
}
"""The baselines of `danlu.evaluate` and the keys of their names in the string tables."""


def figures(report: Report) -> dict[str, Figure]:
    """Every figure of a report, by the name that its place in the page carries."""
    found: dict[str, Figure | None] = {}
    for index, run in enumerate(report.runs):
        found[f"loss-{index}"] = loss(run, index)
        for key in SMALL:
            found[f"{key}-{index}"] = small(run, index, key)
    if report.corpus is not None and report.corpus.lengths is not None:
        found["lengths"] = lengths(report.corpus.lengths)
    return {name: figure for name, figure in found.items() if figure is not None}


def loss(run: Run, index: int) -> Figure | None:
    """Training loss, raw and smoothed, evaluations, and a dashed line for each baseline.

    A full line is the model at the end, on the same tokens as the baselines; evaluations on the
    way are on a part of them.
    """
    data: list[Figure] = []
    if "loss" in run.series:
        at = f"@d.runs.{index}.series.loss"
        x = {"x": f"{at}.{{x}}", "mode": "lines", "type": "scatter"}
        raw = {"color": "@c.raw", "width": 1}
        trend = {"color": "@c.trend", "width": 2.2}
        data += [
            {**x, "y": f"{at}.value", "name": "@t.chart.train", "line": raw, "opacity": 0.7},
            {**x, "y": f"{at}.smooth", "name": "@t.chart.smooth", "line": trend},
        ]
    if "eval_loss" in run.series:
        at = f"@d.runs.{index}.series.eval_loss"
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": f"{at}.{{x}}",
                "y": f"{at}.value",
                "name": "@t.chart.held_out",
                "line": {"color": "@c.accent", "width": 2},
                "marker": {"color": "@c.accent", "size": 7},
            }
        )
    if not data:
        return None
    for trace in data:
        trace["hovertemplate"] = "%{y:.4f}"
    layout = _layout("@t.axis.{x}", "@t.axis.loss", height=400)
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    baselines = run.result.baselines if run.result else []
    if by_loss(baselines):
        layout["xaxis2"] = {
            "overlaying": "x",
            "range": [0, 1],
            "visible": False,
            "fixedrange": True,
        }
        layout["margin"]["r"] = 178
    own = [Scores(name=OWN, loss=run.result.loss)] if run.result and baselines else []
    return {"data": data + _baseline_lines([*baselines, *own]), "layout": layout}


def _baseline_lines(baselines: list[Scores]) -> list[Figure]:
    """A line for each baseline and for the model, and their names at the right; x is from 0 to 1.

    Names of lines that are near each other are moved apart, downwards. On a narrow screen the
    page's script hides the names (`meta` says which trace they are); they are listed below.
    """
    ordered = by_loss(baselines)
    apart = 0.06 * max((b.loss or 0.0 for b in ordered), default=0.0)
    common = {"type": "scatter", "xaxis": "x2", "hoverinfo": "skip", "showlegend": False}
    lines = {
        True: {"color": "@c.accent", "width": 1.2},
        False: {"color": "@c.muted", "width": 1.2, "dash": "dash"},
    }
    traces: list[Figure] = []
    heights: list[float] = []
    for baseline in ordered:
        value = baseline.loss or 0.0
        line = {"x": [0, 1], "y": [value] * 2, "line": lines[baseline.name == OWN]}
        traces.append({**common, "mode": "lines", **line})
        heights.append(min(value, heights[-1] - apart) if heights else value)
    names = [f"{baseline_name(b.name, escape=True)}  {b.loss:.2f}" for b in ordered]
    font = {"color": "@c.soft", "size": 11, "shadow": ", ".join(["0 0 3px @c.card"] * 4)}
    label = {"mode": "text", "text": names, "textposition": "middle right", "textfont": font}
    place = {"x": [1] * len(names), "y": heights, "cliponaxis": False, "meta": "names"}
    return [*traces, {**common, **label, **place}] if names else []


def by_loss(baselines: list[Scores]) -> list[Scores]:
    """The baselines whose loss is known, from the highest to the lowest, as they are drawn."""
    known = [b for b in baselines if b.loss is not None]
    return sorted(known, key=lambda b: b.loss or 0.0, reverse=True)


def baseline_name(name: str, *, escape: bool = False) -> str:
    """A baseline's name as a text reference where we know the name, else as it is.

    `escape` is for places that read a little HTML, as plotly's labels do.
    """
    if name in KNOWN:
        return f"@t.baseline.{KNOWN[name]}"
    short = name if len(name) <= MAX_LABEL else name[: MAX_LABEL - 1] + "…"
    return html.escape(short) if escape else name


def small(run: Run, index: int, key: str) -> Figure | None:
    """One quantity over training, small: its line, or its points where it was measured rarely."""
    if key not in run.series:
        return None
    form, unit = SMALL[key]
    at = f"@d.runs.{index}.series.{key}"
    measured = key.startswith("eval_")
    smooth = run.series[key].smooth is not None
    colour = "@c.accent" if measured else "@c.trend"
    trace: Figure = {
        "type": "scatter",
        "mode": "lines+markers" if measured else "lines",
        "x": f"{at}.{{x}}",
        "y": f"{at}.value",
        "line": {"color": "@c.raw" if smooth else colour, "width": 1 if smooth else 1.8},
        "opacity": 0.7 if smooth else 1,
        "marker": {"color": colour, "size": 6},
        "hovertemplate": f"%{{y:{form}}}{unit}<extra></extra>",
    }
    data = [trace]
    if smooth:
        line = {"color": colour, "width": 1.8}
        data.append({**trace, "y": f"{at}.smooth", "line": line, "opacity": 1, "hoverinfo": "skip"})
        del data[1]["hovertemplate"]
    layout = _layout("", "", height=180)
    layout["yaxis"] |= {"tickformat": form, "ticksuffix": unit, "nticks": 5}
    if key == "memory_bytes":
        layout["yaxis"]["rangemode"] = "tozero"
    layout["margin"] = {"l": 8, "r": 8, "t": 6, "b": 8}
    layout["showlegend"] = False
    layout["xaxis"]["nticks"] = 5
    return {"data": data, "layout": layout}


def lengths(histogram: Lengths) -> Figure | None:
    """Document lengths before cleaning (grey, wide) and after (accent, narrow): nested bars."""
    edges = histogram.edges
    filled = [i for key in (histogram.before, histogram.after) for i, n in enumerate(key) if n]
    count = max(filled, default=-1) + 1
    if not count or len(edges) < 2:
        return None
    labels = [_between(edges, i) for i in range(count)]
    data = []
    for key, colour, width in (("before", "@c.bar", 0.86), ("after", "@c.accent", 0.46)):
        if values := getattr(histogram, key):
            data.append(
                {
                    "type": "bar",
                    "x": labels[: len(values)],
                    "y": f"@d.corpus.lengths.{key}",
                    "width": width,
                    "name": f"@t.chart.{key}",
                    "marker": {"color": colour, "line": {"width": 0}, "cornerradius": 2},
                    "hovertemplate": "%{y:,}",
                }
            )
    layout = _layout(f"@t.axis.{histogram.unit}", "@t.axis.documents", height=300)
    layout |= {"barmode": "overlay", "legend": {"orientation": "h", "x": 0, "y": 1.02}}
    layout["legend"]["yanchor"] = "bottom"
    layout["xaxis"] |= {"type": "category", "unifiedhovertitle": {"text": "%{x}"}, "tickangle": 0}
    layout["xaxis"]["nticks"] = 0
    layout["xaxis"]["fixedrange"] = True
    layout["yaxis"]["fixedrange"] = True
    layout["hovermode"] = "x"
    return {"data": data, "layout": layout}


def groups(counts: Sequence[tuple[str, int]]) -> Figure | None:
    """How many groups of duplicates there are of each size; logarithmic, if they differ a lot."""
    if not counts:
        return None
    data = {
        "type": "bar",
        "x": [label for label, _ in counts],
        "y": [count or None for _, count in counts],
        "width": 0.62,
        "marker": {"color": "@c.accent", "line": {"width": 0}, "cornerradius": 2},
        "hovertemplate": "%{y:,}<extra></extra>",
    }
    layout = _layout("@t.axis.group", "@t.axis.groups", height=300)
    layout |= {"showlegend": False, "hovermode": "x"}
    layout["margin"]["t"] = 12
    layout["xaxis"] |= {"type": "category", "nticks": 0, "fixedrange": True}
    del layout["xaxis"]["unifiedhovertitle"]
    layout["yaxis"] |= {"fixedrange": True, "rangemode": "tozero"}
    filled = [count for _, count in counts if count]
    if max(filled) > 50 * min(filled):
        layout["yaxis"] |= {"type": "log", "dtick": 1, "rangemode": "normal"}
    return {"data": [data], "layout": layout}


def _between(edges: list[float], index: int) -> str:
    """The range of a bucket, short: `100–200`, `3.2k–6.4k`, `12.8k+`."""
    low = _short(edges[index]) if index < len(edges) else ""
    return f"{low}–{_short(edges[index + 1])}" if index + 1 < len(edges) else f"{low}+"


def _short(value: float) -> str:
    """A count in at most five characters.

    >>> _short(800), _short(3200), _short(65_536)
    ('800', '3.2k', '64k')
    """
    base = 1024 if value % 1024 == 0 else 1000  # bins of bytes are powers of two
    for bound, unit in ((base**2, "M"), (base, "k")):
        if value >= bound:
            return f"{round(value / bound, 1):g}{unit}"
    return f"{value:g}"


def _layout(x: str, y: str, *, height: int) -> Figure:
    """What all charts share: no box, hairlines, the page's font and colours."""
    axis = {
        "zeroline": False,
        "color": "@c.muted",
        "tickfont": {"size": 11},
        "linecolor": "@c.line",
        "automargin": True,
        "separatethousands": True,
        "exponentformat": "SI",
    }

    def title(text: str) -> Figure:
        font = {"size": 12, "color": "@c.muted"}
        return {"title": {"text": text, "font": font, "standoff": 10}} if text else {}

    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@c.soft", "size": 12},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": "@c.card",
            "bordercolor": "@c.faint",
            "font": {"color": "@c.ink", "size": 12},
        },
        "xaxis": {
            **axis,
            **title(x),
            "showgrid": False,
            "showline": True,
            "unifiedhovertitle": {"text": "@t.axis.hover.{x}"},
            "nticks": 7,
        },
        "yaxis": {**axis, **title(y), "gridcolor": "@c.line"},
    }
