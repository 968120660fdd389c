"""What each panel of a corpus's page shows: `CorpusReport` -> values of its template, or None.

As in `panels`: a panel is a function here and `templates/corpus/NAME.html.j2`; None means that the
manifest has no such data, and the page no such section.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from danlu.data.advice import texts
from danlu.report import charts
from danlu.report.corpus_records import CorpusReport, Measured, Mixed, Rule
from danlu.report.panels import funnel
from danlu.report.records import Count
from danlu.report.wording import refer

Values = dict[str, Any]
SHOWN_SOURCES, SHOWN_EXAMPLES, SHOWN_IDS = 25, 3, 8
SIZES = (2, 3, 4, 6, 11, 21, 51, 101, 1001)
"""Where the bins of the sizes of groups begin; the last is open."""
MEASURES: tuple[tuple[str, str, Callable[[Measured], Any]], ...] = (
    ("distinct1", "pct", lambda m: m.distinct.get("1")),
    ("distinct2", "pct", lambda m: m.distinct.get("2")),
    ("distinct3", "pct", lambda m: m.distinct.get("3")),
    ("self_bleu", "f3", lambda m: m.self_bleu),
    ("topics", "f3", lambda m: m.topics.entropy if m.topics else None),
    ("heaps", "f3", lambda m: m.vocabulary.get("beta")),
    ("compression", "pct", lambda m: m.compression),
    ("sources", "f1", lambda m: m.sources.effective if m.sources else None),
    ("languages", "f1", lambda m: m.languages.effective if m.languages else None),
    ("median", "int", lambda m: m.lengths.get("0.5")),
)
"""The rows of the table of diversity: key of the texts, form of the number, where it stands."""


def verdict(report: CorpusReport) -> Values | None:
    """What it all came to."""
    read, kept = report.read or Count(), report.kept or Count()
    removed = sorted(
        (
            (gone.documents or 0, reason)
            for step in report.steps
            for reason, gone in step.removed.items()
        ),
        key=lambda item: (-item[0], item[1]),
    )
    most = removed[0] if removed and removed[0][0] else None
    near = report.duplicates.near if report.duplicates else None
    found = [entry.count or 0 for entry in report.personal.values()]
    return {
        "read": read,
        "kept": kept,
        "share": _ratio(kept.bytes, read.bytes),
        "most": {"reason": most[1], "share": _ratio(most[0], read.documents)} if most else None,
        "near": near,
        "personal": sum(found) if found else None,
        "forgotten": _forgotten(report),
        "advice": _advice(report)[:1],
    }


def cleaning(report: CorpusReport) -> Values | None:
    """The way from what was read to what was kept, a row a step."""
    steps = {step.name: step for step in report.steps}
    rows, before = [], None
    first = report.funnel[0] if report.funnel else None
    for stage in report.funnel:
        documents = stage.documents or 0
        lost = max(0, (before.documents or 0) - documents) if before else 0
        step = steps.get(stage.step)
        rows.append(
            {
                "step": stage.step,
                "stage": stage,
                "lost": lost,
                "left_pct": _percent(documents, first.documents if first else None),
                "lost_pct": _percent(lost, first.documents if first else None),
                "changed": step.changed if step else None,
                "reasons": list(step.removed.items()) if step else [],
            }
        )
        before = stage
    removals = [
        {"reason": reason, "examples": gone.examples[:SHOWN_EXAMPLES]}
        for step in report.steps
        for reason, gone in step.removed.items()
        if gone.examples
    ]
    old = [] if rows else [row for row in funnel(report) if row["kind"] != "changed"]
    return {"rows": rows, "old": old, "removals": removals} if rows or old or removals else None


def rules(report: CorpusReport) -> Values | None:
    """Each rule: how many documents fail it, alone and in its turn; the strictest comes first."""
    if not report.rules:
        return None
    total = report.read.documents if report.read else None

    def row(name: str, rule: Rule) -> Values:
        return {
            "name": name,
            "rule": rule,
            "share": _ratio(rule.alone.documents, total),
            "alone_pct": _percent(rule.alone.documents, total),
            "first_pct": _percent(rule.first.documents, total),
        }

    rows = [row(name, rule) for name, rule in report.rules.items()]
    rows.sort(key=lambda row: (-(row["rule"].alone.documents or 0), row["name"]))
    return {
        "rows": rows,
        "scale": max(row["alone_pct"] for row in rows) or 1,
        "extremes": [row for row in rows if row["rule"].worst or row["rule"].best],
    }


def duplicates(report: CorpusReport) -> Values | None:
    """Exact and near copies."""
    found = report.duplicates
    if found is None or (found.exact is None and found.near is None):
        return None
    largest = found.near.largest if found.near else []
    groups = [{"group": g, "more": max(0, len(g.removed) - SHOWN_IDS)} for g in largest]
    near = found.near
    return {
        "exact": found.exact,
        "near": near,
        "groups": groups,
        "ids": SHOWN_IDS,
        "sizes": bool(near and sizes(near.sizes)),
    }


def sizes(counts: dict[str, Any]) -> list[tuple[str, int]]:
    """Number of groups by bins of their size, up to the last bin with any; nothing for none.

    >>> sizes({"2": 7, "5": 1, "4": 2})
    [('2', 7), ('3', 0), ('4–5', 3)]
    """
    bins = [0] * len(SIZES)
    for size, count in counts.items():
        if size.isdecimal() and int(size) >= SIZES[0]:
            bins[max(n for n, least in enumerate(SIZES) if int(size) >= least)] += int(count or 0)
    last = max((n for n, count in enumerate(bins) if count), default=-1)
    return [(_bin(n), count) for n, count in enumerate(bins[: last + 1])]


def _bin(number: int) -> str:
    if number + 1 == len(SIZES):
        return f"{SIZES[number]:,}+"
    low, high = SIZES[number], SIZES[number + 1] - 1
    return str(low) if low == high else f"{low}–{high:,}"


def languages(report: CorpusReport) -> Values | None:
    """How much text is in which language."""
    rows = [{"name": name, "count": count} for name, count in report.languages.items()]
    return _with_shares(rows, lambda row: row["count"].bytes) if rows else None


def lengths(report: CorpusReport) -> Values | None:
    """The lengths of documents, before and after."""
    found = report.lengths is not None and charts.lengths(report.lengths) is not None
    after = report.diversity.after if report.diversity else None
    return {"quantiles": after.lengths if after else {}} if found else None


def diversity(report: CorpusReport) -> Values | None:
    """How varied the text is, before and after, and what to do about it."""
    found = report.diversity
    if found is None or (found.after is None and not found.advice):
        return None
    before, after = found.before or Measured(), found.after or Measured()
    rows = [_measure(key, form, value(before), value(after)) for key, form, value in MEASURES]
    clusters = after.topics.clusters if after.topics else []
    top = max((cluster.share or 0 for cluster in clusters), default=0)
    return {
        "rows": [r for r in rows if r["before"] is not None or r["after"] is not None],
        "has_before": found.before is not None,
        "advice": _advice(report),
        "after": after,
        "clusters": [
            {"cluster": c, "share": c.share, "width_pct": _percent(c.share, top)} for c in clusters
        ],
    }


def _measure(key: str, form: str, before: Any, after: Any) -> Values:
    """A row of the table of diversity, its bars relative to the larger value."""
    top = max(before or 0, after or 0)
    widths = {"before_pct": _percent(before, top), "after_pct": _percent(after, top)}
    return {"key": key, "form": form, "before": before, "after": after, **widths}


def personal(report: CorpusReport) -> Values | None:
    """Personal data that was found, by kind."""
    rows = [{"kind": kind, "found": found} for kind, found in report.personal.items()]
    return _with_shares(rows, lambda row: row["found"].count) if rows else None


def sources(report: CorpusReport) -> Values | None:
    """Where the text is from, under what licence, and how much of it was taken."""
    mixed = {entry.source: entry for entry in report.mixture}
    rows: list[Values] = [
        {"name": s.file, "source": s, "mixed": mixed.pop(s.file, None)} for s in report.sources
    ]
    rows += [{"name": name, "source": None, "mixed": entry} for name, entry in mixed.items()]
    if not rows:
        return None

    def size(row: Values) -> Any:
        entry: Mixed | None = row["mixed"]
        if entry is not None and entry.got is not None:
            return entry.got
        return row["source"].bytes if row["source"] else (entry.bytes if entry else None)

    shared = _with_shares(rows, size)
    unknown = [row for row in rows if row["source"] is not None and not row["source"].licence]
    return {
        "rows": shared["rows"][:SHOWN_SOURCES],
        "more": max(0, len(rows) - SHOWN_SOURCES),
        "licences": any(row["source"] and row["source"].licence for row in rows),
        "unlicensed": len(unknown),
        "mixed": bool(report.mixture),
    }


def survivors(report: CorpusReport) -> Values | None:
    """Random documents that were kept."""
    return {"documents": report.survivors} if report.survivors else None


def unread(report: CorpusReport) -> Values | None:
    """Files that were left out or could not be read."""
    if not report.skipped and not report.broken:
        return None
    return {"skipped": report.skipped, "broken": report.broken}


def origin(report: CorpusReport) -> Values | None:
    """How to make it again, and what it was made of."""
    facts = {
        "Danlu": report.danlu,
        "SHA-256": report.sha256,
        "parent": (report.parent or {}).get("sha256"),
        "split_by": report.split_by,
        **report.recipe,
    }
    return {"facts": {key: value for key, value in facts.items() if value not in (None, "")}}


def _advice(report: CorpusReport) -> list[Values]:
    """The advice that has a text, ready for the template."""
    given = report.diversity.advice if report.diversity else []
    return [
        {"key": f"advice.{a.key}", "values": {k: refer(k, v) for k, v in a.values.items()}}
        for a in given
        if a.key in texts("en")
    ]


def _forgotten(report: CorpusReport) -> int | None:
    counts = (report.forgotten or {}).get("documents")
    return (
        sum(n for n in counts.values() if isinstance(n, int)) if isinstance(counts, dict) else None
    )


def _with_shares(rows: Iterable[Values], size: Callable[[Values], Any]) -> Values:
    """Rows, largest first, each with its share of all and the width of its bar."""
    rows = sorted(rows, key=lambda row: -(size(row) or 0))
    total, top = sum(size(row) or 0 for row in rows), max(size(row) or 0 for row in rows)
    for row in rows:
        row["share"] = _ratio(size(row), total)
        row["width_pct"] = _percent(size(row), top)
    return {"rows": rows}


def _ratio(part: Any, whole: Any) -> float | None:
    return None if part is None or not whole else part / whole


def _percent(part: Any, whole: Any) -> float:
    return round(100 * min(1.0, _ratio(part or 0, whole) or 0.0), 3)


PANELS: dict[str, Callable[[CorpusReport], Values | None]] = {
    "verdict": verdict,
    "cleaning": cleaning,
    "rules": rules,
    "duplicates": duplicates,
    "languages": languages,
    "lengths": lengths,
    "diversity": diversity,
    "personal": personal,
    "sources": sources,
    "survivors": survivors,
    "unread": unread,
    "origin": origin,
}
