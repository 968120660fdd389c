from __future__ import annotations

from itertools import pairwise

import plotly.graph_objects as go
import pytest
from report_example import BASELINES, HOSTILE, SPIKE_LOSS, SPIKE_STEP

from danlu.report.charts import AXES, baseline_name, figures, lengths
from danlu.report.palette import PALETTES
from danlu.report.records import Lengths, Scores
from danlu.report.references import resolve
from danlu.report.wording import LANGUAGES, strings


@pytest.mark.parametrize(("language", "theme"), zip(LANGUAGES, PALETTES, strict=True))
def test_plotly_accepts_every_figure(report, language, theme):
    found = figures(report)
    assert {"loss-0", "loss-1", "lr-0", "eval_bits_per_byte-0", "lengths"} <= found.keys()
    for name, figure in found.items():
        for axis in AXES:
            drawn = resolve(
                figure, report.model_dump(), strings(language), PALETTES[theme], axis=axis
            )
            assert "@" not in go.Figure(drawn).to_json(), name


def test_the_figure_shows_the_numbers_of_the_run(report):
    drawn = resolve(
        figures(report)["loss-0"], report.model_dump(), strings("en"), PALETTES["light"]
    )
    raw = drawn["data"][0]
    assert raw["y"][raw["x"].index(SPIKE_STEP)] == SPIKE_LOSS
    lines = [trace["y"] for trace in drawn["data"] if trace.get("xaxis") == "x2"]
    own = report.runs[0].result.loss
    assert [line[0] for line in lines[:-1]] == [*(b["loss"] for b in BASELINES), own]
    assert drawn["data"][-1]["text"][-2:] == [
        "Kneser-Ney 5-gram  3.83",
        "this model, in the end  3.68",
    ]


def test_names_of_near_baselines_are_moved_apart(report):
    run = report.runs[0].model_copy(deep=True)
    near = [Scores(name=f"b{n}", loss=4 + n / 1000) for n in range(4)]
    run = run.model_copy(update={"result": run.result.model_copy(update={"baselines": near})})
    figure = figures(report.model_copy(update={"runs": [run]}))["loss-0"]
    heights = figure["data"][-1]["y"]
    assert all(a - b > 0.2 for a, b in pairwise(heights))


def test_unknown_baselines_keep_their_name_as_text():
    assert baseline_name("unigram") == "@t.baseline.unigram"
    assert baseline_name(HOSTILE) == HOSTILE
    assert "<" not in baseline_name(HOSTILE, escape=True)


def test_a_histogram_may_have_an_open_end_or_nothing():
    figure = lengths(Lengths(edges=[0, 1000, 1_500_000], before=[3, 2, 1], after=[1, 1]))
    assert figure is not None
    assert figure["data"][0]["x"] == ["0–1k", "1k–1.5M", "1.5M+"]
    assert lengths(Lengths()) is None


def test_a_reference_that_leads_nowhere():
    figure = {"a": "@d.runs.0.series.loss.value", "b": "@t.no.such", "c": "@d.x y"}
    empty = {"runs": [{"series": {}}]}
    assert resolve(figure, empty, {}, {}) == {"a": None, "b": "@t.no.such", "c": "@d.x y"}
