"""What it all came to: a headline, a few sentences and the figures that people ask for first.

Sentences are (key, values) of the string tables, so that both languages say the same. A result
that lost against a baseline is said as plainly as one that won.
"""

from __future__ import annotations

from typing import Any

from danlu.report.charts import baseline_name
from danlu.report.records import ACTIVE, Report, Result, Run, Scores

TOO_GOOD = 0.3
"""Bits per byte that only a leak reaches, as in `evaluate/baselines.py`."""

Sentence = tuple[str, dict[str, Any]]
LEVEL = 0.0005
"""A relative difference below this is called none."""


def verdict(report: Report) -> dict[str, Any]:
    """Headline, sentences, tiles, and where the run is that is still going on or stopped."""
    headline, sentences = _headline(report)
    for run in report.runs:
        if (answered := _answers(run)) is not None and answered != headline:
            sentences.append(answered)
    timed = _time(_main(report))
    return {
        "headline": headline,
        "sentences": sentences + ([timed] if timed else []),
        "tiles": _tiles(report),
        "progress": _progress(report),
    }


def best_baseline(result: Result | None) -> Scores | None:
    """The baseline with the fewest bits per byte."""
    rows = [b for b in (result.baselines if result else []) if b.bits_per_byte is not None]
    return min(rows, key=lambda b: b.bits_per_byte or 0.0, default=None)


def _main(report: Report) -> Run | None:
    """The run that the headline is about: the pretraining, or else the first."""
    pretraining = [run for run in report.runs if run.role == "pretrain"]
    return next(iter(pretraining or report.runs), None)


def _headline(report: Report) -> tuple[Sentence, list[Sentence]]:
    """The first sentence, and those that belong to it."""
    run = _main(report)
    about = _model(report, run)
    if run is None:
        return ("verdict.data" if report.corpus else "verdict.none", {}), about
    result = run.result
    if run.role == "finetune" and (answered := _answers(run)) is not None:
        return answered, about
    if result is not None and result.bits_per_byte is not None:
        first, *more = _against(result)
        return first, about + more
    if result is not None and result.loss is not None:
        return ("verdict.loss", {"loss": result.loss}), about
    if (bits := run.last.get("eval_bits_per_byte")) is not None:
        return ("verdict.sofar", {"bpb": bits}), about
    begun = run.series or (run.status is not None and run.status.phase == "training")
    return ("verdict.begun" if begun else "verdict.none", {}), about


def _against(result: Result) -> list[Sentence]:
    """The result beside the strongest baseline."""
    best = best_baseline(result)
    if result.bits_per_byte is not None and result.bits_per_byte < TOO_GOOD:
        return [("verdict.leak", {"bpb": result.bits_per_byte})]
    if best is None or not best.bits_per_byte or result.bits_per_byte is None:
        return [("verdict.plain", {"bpb": result.bits_per_byte})]
    share = result.bits_per_byte / best.bits_per_byte - 1
    values = {"bpb": result.bits_per_byte, "baseline": baseline_name(best.name)}
    if abs(share) < LEVEL:
        return [("verdict.equal", values)]
    if share < 0:
        return [("verdict.better", {**values, "share": -share})]
    return [("verdict.worse", {**values, "share": share}), ("verdict.worse.note", {})]


def _model(report: Report, run: Run | None) -> list[Sentence]:
    """What was trained, on what."""
    parameters = _planned(run, "parameters")
    if parameters is None:
        return []
    train = report.corpus.train if report.corpus else None
    if train is not None and train.bytes is not None:
        return [("verdict.model.text", {"parameters": parameters, "bytes": train.bytes})]
    return [("verdict.model", {"parameters": parameters})]


def _planned(run: Run | None, key: str) -> Any:
    """A figure of the plan: what came of it, or else what was predicted."""
    if run is None or run.plan is None:
        return None
    actual = getattr(run.plan.actual, key)
    return getattr(run.plan.predicted, key) if actual is None else actual


def _answers(run: Run) -> Sentence | None:
    """What fine-tuning did to the answers."""
    found = run.result.answers if run.result else None
    if found is None or found.before is None or found.after is None:
        return None
    before, after = found.before.token_f1, found.after.token_f1
    if before is None or after is None:
        return None
    values = {"n": found.n, "before": before, "after": after}
    if found.baseline is None or found.baseline.token_f1 is None:
        return "verdict.answers", values
    named = {"baseline": baseline_name(found.baseline.name or "–"), "base": found.baseline.token_f1}
    return "verdict.answers.base", {**values, **named}


def _time(run: Run | None) -> Sentence | None:
    """Predicted and actual training time."""
    if run is None or run.plan is None or run.plan.predicted.seconds is None:
        return None
    predicted, actual = run.plan.predicted.seconds, run.plan.actual.seconds
    if actual is None:
        return "verdict.planned", {"predicted": predicted}
    return "verdict.time", {"predicted": predicted, "actual": actual}


def _tiles(report: Report) -> list[dict[str, Any]]:
    """The figures that people ask for first; those that are not known are left out."""
    run = _main(report)
    if run is None:
        return []
    result, last = run.result, run.last
    best = best_baseline(result)
    name = baseline_name(best.name) if best else ""

    def tile(key: str, value: Any, form: str, note: Sentence | None = None) -> dict[str, Any]:
        return {"key": key, "value": value, "form": form, "note": note}

    def measured(key: str) -> Any:
        value = getattr(result, key) if result else None
        return last.get(f"eval_{key}") if value is None else value

    def note(key: str, **values: Any) -> Sentence | None:
        return (key, values) if all(value is not None for value in values.values()) else None

    predicted = run.plan.predicted.seconds if run.plan else None
    seconds = run.plan.actual.seconds if run.plan else None
    bits = {"baseline": name or None, "value": best.bits_per_byte if best else None}
    right = {"baseline": name or None, "value": best.accuracy if best else None}
    tiles = [
        tile("bpb", measured("bits_per_byte"), "f3", note("tile.bpb.note", **bits)),
        tile("accuracy", measured("accuracy"), "pct", note("tile.accuracy.note", **right)),
        *_answer_tile(report),
        tile("parameters", _planned(run, "parameters"), "count"),
        tile(
            "tokens", last.get("tokens"), "count", note("tile.tokens.note", steps=last.get("step"))
        ),
        tile(
            "time",
            last.get("seconds") if seconds is None else seconds,
            "span",
            note("tile.time.note", predicted=predicted),
        ),
    ]
    return [t for t in tiles if t["value"] is not None]


def _answer_tile(report: Report) -> list[dict[str, Any]]:
    for run in report.runs:
        if (answered := _answers(run)) is not None:
            note = ("tile.f1.note", {"before": answered[1]["before"]})
            return [{"key": "f1", "value": answered[1]["after"], "form": "f3", "note": note}]
    return []


def _progress(report: Report) -> dict[str, Any] | None:
    """The run that is going on, or that was meant to and is not; None when all are done."""
    for run in report.runs:
        status = run.status
        if status is None or status.phase in ("", "completed"):
            continue
        share = (status.step or 0) / status.of if status.of else None
        state = status.state(report.generated)
        return {
            "run": run,
            "status": status,
            "state": state,
            "active": state in ACTIVE,
            "share": None if share is None else min(1.0, share),
        }
    return None
