from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest
from report_example import (
    HOSTILE,
    NOW,
    SPIKE_LOSS,
    SPIKE_STEP,
    embedded,
    panels,
    write_json,
    write_life,
)

from danlu import files
from danlu.report import collect, render, write
from danlu.report.page import DATA, SCRIPT
from danlu.report.panels import PANELS
from danlu.report.wording import FORMS, LANGUAGES, attribute, fact, named, number, strings, text


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_all_panels_in_their_order(page):
    assert panels(page) == list(PANELS)


def test_the_embedded_numbers_are_those_of_the_files(life, page):
    data = embedded(page)["report"]
    records = files.read_jsonl(life / "base/metrics.jsonl")
    series = data["runs"][0]["series"]
    for key in ("loss", "lr", "grad_norm", "tokens_per_s", "memory_bytes"):
        logged = {r["step"]: r[key] for r in records if r["kind"] == "train"}
        shown = dict(zip(series[key]["step"], series[key]["value"], strict=True))
        assert shown.items() <= logged.items()
        assert series[key]["of"] == len(logged)
        assert max(shown.values()) == max(logged.values())
        assert min(shown.values()) == min(logged.values())
    evals = [r for r in records if r["kind"] == "eval"]
    assert series["eval_loss"]["value"] == [r["loss"] for r in evals]
    assert series["eval_loss"]["tokens"] == [r["tokens"] for r in evals]
    result = json.loads((life / "base/eval.json").read_text())
    assert data["runs"][0]["result"]["baselines"] == result["baselines"]
    assert data["version"] == 1


def test_the_tables_show_the_numbers_of_eval_json(life, page):
    result = json.loads((life / "base/eval.json").read_text())
    for key in ("loss", "bits_per_byte", "perplexity", "accuracy"):
        assert f'data-n="{result[key]}"' in page
        for baseline in result["baselines"]:
            assert f'data-n="{baseline[key]}"' in page


def test_long_runs_are_thinned_and_say_so(tmp_path):
    lines = [
        {"kind": "train", "step": s, "loss": 40.0 if s == 3_001 else 3 + math.sin(s)}
        for s in range(5_000)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = render(collect(tmp_path))
    series = embedded(page)["report"]["runs"][0]["series"]["loss"]
    assert len(series["value"]) <= 2_000 and 3_001 in series["step"]
    assert f"Showing {len(series['value']):,} of 5,000 points" in page


def test_the_spike_is_in_the_page(page):
    series = embedded(page)["report"]["runs"][0]["series"]["loss"]
    assert series["value"][series["step"].index(SPIKE_STEP)] == SPIKE_LOSS


def test_hostile_texts_are_text(page):
    ours = page[: page.index("<script>")]  # what comes before plotly
    assert ours.count("<script") == 1 and ours.count("</script") == 1  # the JSON
    elements = Elements(ours)
    assert not [tag for tag, _ in elements.found if tag in ("img", "iframe", "object")]
    assert not [a for _, attrs in elements.found for a in attrs if a.startswith("on")]
    assert elements.text.count(HOSTILE[9:]) >= 4


def test_a_policy_that_allows_our_scripts_only(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1] or "default-src 'none'" in policy[1]
    assert policy[1].count("sha256-") == 2
    assert "script-src" in policy[1] and "unsafe-eval" not in policy[1]
    assert "unsafe-inline" not in policy[1].split("script-src")[1]


def test_the_final_page_loads_nothing(page):
    head = page[: page.index("<script>")]
    for tag, attrs in Elements(head).found:
        for name in ("src", "href"):
            value = attrs.get(name) or ""
            assert not value or value[0] == "#" or value == "data:,", (tag, value)
    assert "@import" not in head and "url(" not in head
    assert len(page.encode()) < 6_000_000


def test_the_live_page_is_small_and_becomes_the_final_one(run):
    write_json(run / "status.json", {"phase": "training", "step": 300, "of": 900, "eta_s": 70})
    result = write(run, live=True)
    live = (run / "report.html").read_text()
    assert result["bytes"] == len(live.encode()) < 400_000
    assert f'<script src="{SCRIPT}">' in live and 'http-equiv="refresh"' in live
    assert (run / SCRIPT).stat().st_size > 1_000_000
    update = (run / DATA).read_text()
    assert update.startswith("danluUpdate({") and "<" not in update
    data = json.loads(update.removeprefix("danluUpdate(").rstrip().removesuffix(")"))
    assert data["report"] == embedded(live)["report"]
    assert list(data["sections"]) == panels(live) == result["panels"]

    before = (run / SCRIPT).stat().st_mtime_ns
    write(run, live=True)
    assert (run / SCRIPT).stat().st_mtime_ns == before  # written once

    write(run)  # a picture while training goes on: the live files stay
    assert (run / DATA).is_file()
    write_json(run / "status.json", {"phase": "completed"})
    final = write(run)
    assert not (run / DATA).exists() and not (run / SCRIPT).exists()
    assert final["bytes"] > 4_000_000
    assert sorted(p.name for p in run.iterdir() if p.name.startswith("report")) == ["report.html"]


def test_a_stopped_run_shows_how_to_go_on(run):
    status = {"phase": "training", "step": 5, "of": 9, "heartbeat": NOW, "resume": "danlu go <on>"}
    write_json(run / "status.json", status)
    page = render(collect(run, now=NOW + 300), live=True)
    assert 'data-state="stopped"' in page and "<pre>danlu go &lt;on&gt;</pre>" in page
    assert '<span data-t="phase.stopped">Stopped</span>' in page
    running = render(collect(run, now=NOW + 3), live=True)
    assert 'data-state="training"' in running


@pytest.mark.parametrize(
    ("missing", "panel"),
    [
        ("base/eval.json", None),
        ("chat/eval.json", "answers"),
        ("base/plan.json", "plan"),
        ("corpus/manifest.json", "data"),
        ("tokenizer/stats.json", "tokenizer"),
        ("commands.json", None),
        ("base/environment.json", "environment"),
    ],
)
def test_what_is_missing_has_no_panel(tmp_path, missing, panel):
    write_life(tmp_path, steps=20)
    (tmp_path / missing).unlink()
    assert set(PANELS) - set(panels(render(collect(tmp_path)))) == ({panel} if panel else set())


def test_the_least_that_is_a_run(tmp_path):
    (tmp_path / "run.yaml").write_text("seed: 1\n")
    assert panels(render(collect(tmp_path))) == ["verdict", "settings"]
    write_json(tmp_path / "status.json", {"phase": "loading"})
    write_json(tmp_path / "corpus/manifest.json", {})
    write_json(tmp_path / "tokenizer/stats.json", {})
    write_json(tmp_path / "plan.json", {})
    page = render(collect(tmp_path))
    assert panels(page) == ["verdict", "settings"] and "Loading" in page


def test_problems_are_in_the_page(run):
    (run / "plan.json").write_text("<b>")
    page = render(collect(run))
    assert "plan.json is not JSON" in page


def sentence(folder, **result):
    write_json(folder / "eval.json", result)
    return re.sub(r"<[^>]*>", "", re.findall(r"<h1>(.*?)</h1>", render(collect(folder)))[0])


def test_the_headline_is_honest(run):
    five = [{"name": "Kneser-Ney 5-gram", "bits_per_byte": 1.6}, {"name": "x"}]
    assert sentence(run, bits_per_byte=1.5, baselines=five) == (
        "1.500 bits per byte on unseen text, 6.2% fewer than the Kneser-Ney 5-gram."
    )
    assert "12.5% more than" in sentence(run, bits_per_byte=1.8, baselines=five)
    assert "has not beaten" in render(collect(run))
    assert "level with" in sentence(run, bits_per_byte=1.6, baselines=five)
    assert "too good to be true" in sentence(run, bits_per_byte=0.1, baselines=five)
    assert sentence(run, bits_per_byte=1.5) == "1.500 bits per byte on unseen text."
    assert sentence(run, loss=2.0) == "A loss of 2.000 on unseen text."
    assert "so far" in sentence(run)
    answers = {"before": {"token_f1": 0.1}, "after": {"token_f1": 0.5}, "n": 9}
    assert "token F1 of 0.500; before, it was 0.100" in sentence(run, answers=answers)
    (run / "metrics.jsonl").unlink()
    assert sentence(run) == "Nothing has been measured yet."
    (run / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "loss": 3}\n')
    assert sentence(run) == "Training has begun."


def test_both_languages_say_the_same_with_the_same_values():
    english, chinese = (strings(language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    for key in english:
        fields = [sorted(re.findall(r"\{[^}]*\}", table[key])) for table in (english, chinese)]
        assert fields[0] == fields[1], key
        forms = re.findall(r"\{\w+\|(\w+)\}", english[key])
        assert set(forms) <= FORMS.keys(), key


def test_all_texts_of_the_page_exist(page):
    keys = set(re.findall(r'data-t="([^"]+)"', page)) | set(re.findall(r"@t\.([\w.]+)", page))
    assert len(keys) > 100
    assert {key for key in keys if "{" not in key and key[-1] != "."} <= strings("en").keys()


def test_the_script_knows_the_forms_of_numbers(page):
    script = page[page.rindex("<script>") :]
    block = script[script.index("const FORMS") : script.index("function say")]
    for form in FORMS:
        assert re.search(rf"\b{form}:", block), form


def test_words_and_numbers_in_the_page():
    assert str(number(None, "f3")) == '<span class="absent">–</span>'
    assert str(number(0.0004, "pct")) == '<span data-n="0.0004" data-f="pct">0.04%</span>'
    assert "&lt;b&gt;" in text("verdict.answers.base", baseline="<b>", n=None)
    assert attribute("title", "axis.x") == 'title="Horizontal axis" data-a="title" data-t="axis.x"'
    assert str(named("<i>")) == "&lt;i&gt;" and "bigram model" in named("@t.baseline.bigram")
    assert [str(fact("x", v)) for v in (True, None, "<", 2, 71.43)] == [
        "True", "–", "&lt;", "2", "71.43",
    ]  # fmt: skip
    assert "8.3 GB" in fact("memory_bytes", 8_300_000_000) and "12,000" in fact("n", 12_000)
