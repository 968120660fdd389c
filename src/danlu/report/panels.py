"""What each panel shows: one function a panel, `Report` -> the values of its template, or None.

A panel is a function here and `templates/panels/NAME.html.j2`; adding one is adding both and its
name to `PANELS`, whose order is that of the page. None means that the run has no such data: then
the page has no such section. The first panel, what it all came to, is in `verdict.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from danlu.report import charts
from danlu.report.charts import SMALL, baseline_name, by_loss
from danlu.report.records import CleaningStep, Corpus, Figures, Plan, Report, Run
from danlu.report.verdict import verdict

Values = dict[str, Any]
SHOWN_SOURCES = 10
SHOWN_EXAMPLES = 3
PLAN_FORMS = {
    "parameters": "int",
    "tokens": "int",
    "steps": "int",
    "seconds": "span",
    "memory_bytes": "bytes",
    "loss": "f3",
}


def loss(report: Report) -> Values | None:
    """The loss chart of each run."""
    runs = [
        {
            "run": run,
            "figure": f"loss-{index}",
            "thinned": _thinned(run, "loss"),
            "lines": [
                {"name": baseline_name(b.name), "loss": b.loss}
                for b in by_loss(run.result.baselines if run.result else [])
            ],
        }
        for index, run in enumerate(report.runs)
        if {"loss", "eval_loss"} & run.series.keys()
    ]
    baselines = any(run.result and run.result.baselines for run in report.runs)
    return {"runs": runs, "baselines": baselines} if runs else None


def training(report: Report) -> Values | None:
    """Small charts of what else was measured while training."""
    runs = []
    for index, run in enumerate(report.runs):
        keys = [key for key in SMALL if key in run.series]
        charts = [
            {"key": key, "figure": f"{key}-{index}", "last": run.last.get(key), "form": _form(key)}
            for key in keys
        ]
        if charts:
            thinned = next(filter(None, (_thinned(run, key) for key in keys)), None)
            runs.append({"run": run, "charts": charts, "thinned": thinned})
    return {"runs": runs} if runs else None


def _form(key: str) -> str:
    forms = {"eval_accuracy": "pct", "tokens_per_s": "count", "memory_bytes": "bytes"}
    return forms.get(key, "g3" if key == "lr" else "f3")


def _thinned(run: Run, key: str) -> tuple[int, int] | None:
    """Shown and all points of a series, if it is not shown whole."""
    series = run.series.get(key)
    return (len(series.value), series.of) if series and len(series.value) < series.of else None


def samples(report: Report) -> Values | None:
    """What the model wrote, by step."""
    runs = []
    for run in report.runs:
        steps = [
            {"step": step, "texts": list(texts)}
            for step, texts in groupby(run.samples, key=lambda sample: sample.step)
        ]
        if steps:
            runs.append({"run": run, "steps": steps})
    return {"runs": runs} if runs else None


def data(report: Report) -> Values | None:
    """The corpus before and after cleaning."""
    corpus = report.corpus
    if corpus is None:
        return None
    removals = [
        {"reason": reason, "examples": removal.examples[:SHOWN_EXAMPLES]}
        for step in corpus.steps
        for reason, removal in step.removed.items()
        if removal.examples
    ]
    parts = {key: getattr(corpus, key) for key in ("read", "kept", "train", "held_out")}
    values: Values = {
        "parts": {key: part for key, part in parts.items() if part is not None},
        "funnel": funnel(corpus),
        "removals": removals,
        "lengths": corpus.lengths is not None and charts.lengths(corpus.lengths) is not None,
        "han_share": corpus.han_share,
        "skipped": corpus.skipped,
        "sources": corpus.sources[:SHOWN_SOURCES],
        "more_sources": max(0, len(corpus.sources) - SHOWN_SOURCES),
    }
    return values if any(values.values()) else None


def funnel(corpus: Corpus) -> list[Values]:
    """The way from what was read to what was kept, one row a removal, as shares of documents.

    A row's bar begins where the documents that are left end, so that the rows form a stair.
    """
    total = corpus.read.documents if corpus.read else None
    if corpus.read is None or not total:
        return []
    rows: list[Values] = [_row("read", corpus.read.documents, corpus.read.bytes, 0, total)]
    left = total
    for step in corpus.steps:
        for reason, removal in step.removed.items():
            documents = removal.documents or 0
            left = max(0, left - documents)
            row = _row("removed", documents, removal.bytes, left, total)
            rows.append({**row, "reason": reason, "step": step.name})
        if step.changed:
            rows.append(_changed(step))
    if corpus.kept is not None:
        rows.append(_row("kept", corpus.kept.documents, corpus.kept.bytes, 0, total))
    return rows


def _row(kind: str, documents: Any, size: Any, start: float, total: float) -> Values:
    share = (documents or 0) / total
    return {
        "kind": kind,
        "documents": documents,
        "bytes": size,
        "share": share,
        "start_pct": round(100 * min(1, start / total), 3),
        "width_pct": round(100 * min(1, share), 3),
    }


def _changed(step: CleaningStep) -> Values:
    return {"kind": "changed", "step": step.name, "changed": step.changed}


def tokenizer(report: Report) -> Values | None:
    """The tokenizer's figures and how it cuts a few texts."""
    found = report.tokenizer
    if found is None or not (found.vocab_size or found.bytes_per_token or found.examples):
        return None
    return {"tokenizer": found}


def evaluation(report: Report) -> Values | None:
    """The model and its baselines on held-out text, the best first, for each run."""
    runs = []
    for run in report.runs:
        result = run.result
        if result is None or (result.loss is None and result.bits_per_byte is None):
            continue
        rows: list[Values] = [
            {"name": baseline_name(scores.name), "scores": scores, "model": False}
            for scores in result.baselines
        ]
        rows.append({"name": "@t.eval.model", "scores": result, "model": True})
        measure = "bits_per_byte" if result.bits_per_byte is not None else "loss"
        worst = max(getattr(row["scores"], measure) or 0 for row in rows)
        for row in rows:
            value = getattr(row["scores"], measure)
            row["order"] = float("inf") if value is None else value
            row["width_pct"] = round(100 * (value or 0) / worst, 2) if worst else 0
        rows.sort(key=lambda row: row["order"])
        runs.append({"run": run, "result": result, "rows": rows})
    return {"runs": runs} if runs else None


def answers(report: Report) -> Values | None:
    """How questions are answered before and after fine-tuning, with examples."""
    runs = []
    for run in report.runs:
        result = run.result
        if result is None or not (result.answers or result.examples):
            continue
        found = result.answers
        rows = []
        for key in ("after", "before", "baseline"):
            if found is not None and (scores := getattr(found, key)) is not None:
                own = f"@t.answers.{key}"
                name = baseline_name(scores.name or "–") if key == "baseline" else own
                rows.append({"name": name, "scores": scores, "model": key == "after"})
        first, rest = result.examples[:SHOWN_EXAMPLES], result.examples[SHOWN_EXAMPLES:]
        runs.append({"rows": rows, "n": found.n if found else None, "first": first, "rest": rest})
    return {"runs": runs} if runs else None


def plan(report: Report) -> Values | None:
    """What was predicted and what came of it, for each run."""
    runs = []
    for run in report.runs:
        if run.plan is not None:
            rows = compared(run.plan.predicted, run.plan.actual)
            if rows or run.plan.candidates or run.plan.machine:
                runs.append({"run": run, "rows": rows, **_considered(run.plan)})
    return {"runs": runs} if runs else None


def compared(predicted: Figures, actual: Figures) -> list[Values]:
    """Predicted, actual and relative difference of what either knows."""
    rows = []
    for key, form in PLAN_FORMS.items():
        before, after = getattr(predicted, key), getattr(actual, key)
        if before is None and after is None:
            continue
        known = before is not None and after is not None and before != 0
        difference = after / before - 1 if known else None
        rows.append(
            {"key": key, "form": form, "predicted": before, "actual": after, "diff": difference}
        )
    return rows


def _considered(plan: Plan) -> Values:
    return {"candidates": plan.candidates, "machine": plan.machine}


def environment(report: Report) -> Values | None:
    """Versions, cores, platform."""
    return {"facts": report.environment} if report.environment else None


def commands(report: Report) -> Values | None:
    """The commands that make this again."""
    return {"commands": report.commands} if report.commands else None


def settings(report: Report) -> Values | None:
    """The resolved `run.yaml` of each run."""
    runs = [run for run in report.runs if run.settings]
    return {"runs": runs} if runs else None


PANELS: dict[str, Callable[[Report], Values | None]] = {
    "verdict": verdict,
    "loss": loss,
    "training": training,
    "samples": samples,
    "data": data,
    "tokenizer": tokenizer,
    "evaluation": evaluation,
    "answers": answers,
    "plan": plan,
    "environment": environment,
    "commands": commands,
    "settings": settings,
}
