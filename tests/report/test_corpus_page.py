"""The page of a corpus: all of it is shown, hostile text stays text, what lacks is absent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import corpus_example
import plotly.graph_objects as go
import pytest
from report_example import embedded, panels

from danlu import config
from danlu.commands import corpus as corpus_command
from danlu.commands import report as report_command
from danlu.errors import DataError
from danlu.report import corpus_page
from danlu.report.corpus_page import collect, figures, render
from danlu.report.corpus_panels import MEASURES, PANELS, sizes
from danlu.report.corpus_records import CorpusReport, read
from danlu.report.palette import PALETTES
from danlu.report.references import resolve
from danlu.report.wording import LANGUAGES, strings

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


def of(manifest: dict) -> CorpusReport:
    return read(manifest, name="c", sha256="ab12", now=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus_example.write(tmp_path_factory.mktemp("corpora") / "example")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return render(collect(folder))


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_all_panels_in_their_order_and_no_problem(folder: Path, page: str) -> None:
    assert panels(page) == list(PANELS)
    assert collect(folder).problems == []
    assert '<a href="#diversity">' in page


def test_hostile_texts_are_text_and_acting_characters_are_seen(page: str) -> None:
    ours = page[: page.index("<script>")]  # what comes before plotly
    assert ours.count("<script") == 1 and ours.count("</script") == 1
    elements = Elements(ours)
    assert not [tag for tag, _ in elements.found if tag in ("img", "iframe", "object")]
    assert not [a for _, attrs in elements.found for a in attrs if a.startswith("on")]
    assert elements.text.count(corpus_example.HOSTILE) >= 8
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", ours)
    assert "safe⟨U+202E⟩txt.exe" in elements.text and "⟨U+001B⟩[2J" in elements.text


def test_it_loads_nothing(page: str) -> None:
    head = page[: page.index("<script>")]
    for tag, attrs in Elements(head).found:
        for name in ("src", "href"):
            value = attrs.get(name) or ""
            assert not value or value[0] == "#" or value == "data:,", (tag, value)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and "unsafe-inline" not in policy[1].split("script-src")[1]
    assert len(page.encode()) < 6_000_000


def test_the_numbers_are_those_of_the_manifest(page: str) -> None:
    m = corpus_example.manifest()
    for stage in m["funnel"]:
        assert f'data-n="{stage["documents"]}"' in page and f'data-n="{stage["bytes"]}"' in page
    lost = [a["documents"] - b["documents"] for a, b in zip(m["funnel"], m["funnel"][1:])]  # noqa: B905
    for n in filter(None, lost):
        assert f'data-n="{n}"' in page
    for entry in (*m["personal"].values(), *m["languages"].values()):
        assert f'data-n="{entry["documents"]}"' in page
    for rule in m["rules"].values():
        assert f'data-n="{rule["alone"]["documents"]}"' in page
        assert page.count(rule["worst"][0]["text"]) >= 1
    for survivor in m["survivors"]:
        assert survivor["text"][:20].replace("<", "&lt;").replace(">", "&gt;").split("'")[0] in page
    assert embedded(page)["report"]["corpus"]["lengths"]["after"] == m["lengths"]["after"]
    assert embedded(page)["report"]["runs"] == []


def test_every_measure_of_the_table_is_one_that_is_measured(page: str) -> None:
    for key, _, _ in MEASURES:
        assert f"measure.{key}" in page and f"measure.{key}.note" in strings("en")


def test_what_is_missing_has_no_panel() -> None:
    m = corpus_example.manifest()
    gone = {
        "rules": ["rules"],
        "duplicates": ["duplicates"],
        "languages": ["languages"],
        "lengths": ["lengths"],
        "diversity": ["diversity"],
        "personal": ["personal"],
        "survivors": ["survivors"],
        "sources": ["sources", "mixture"],
        "unread": ["skipped", "broken"],
    }
    for panel, keys in gone.items():
        some = {key: value for key, value in m.items() if key not in keys}
        assert set(PANELS) - set(panels(render(of(some)))) == {panel}
    assert panels(render(of({}))) == ["verdict", "origin"]


def test_a_corpus_of_today_has_its_funnel_by_reason(folder: Path) -> None:
    m = corpus_example.manifest()
    for key in ("funnel", "rules", "duplicates", "languages", "personal", "diversity", "survivors"):
        del m[key]
    text = render(of(m))
    assert panels(text) == ["verdict", "cleaning", "lengths", "sources", "unread", "origin"]
    assert 'class="row-removed"' in text and f'data-n="{9_120}"' in text


@pytest.mark.parametrize("key", sorted(corpus_example.manifest()))
@pytest.mark.parametrize("wrong", [17, "text", ["x", 3], {"a": {"b": []}}, None])
def test_no_entry_of_a_wrong_shape_stops_the_page(key: str, wrong: object) -> None:
    m = corpus_example.manifest() | {key: wrong}
    report = of(m)
    assert corpus_page.sections(report)["verdict"]
    json.dumps(report.model_dump(), allow_nan=False)


def test_a_broken_entry_is_named() -> None:
    text = render(of(corpus_example.manifest() | {"rules": 17}))
    assert "rules" not in panels(text) and "manifest.json: rules:" in text


def test_forgotten_documents_are_said() -> None:
    m = corpus_example.manifest()
    m["forgotten"] = {"documents": {"train": 2, "held_out": 0, "removed": 1}}
    m["parent"] = {"sha256": "abc123"}
    text = render(of(m))
    assert "3 documents were forgotten" in text and "abc123" in text


def test_sizes_of_groups_are_binned() -> None:
    assert sizes({}) == [] == sizes({"1": 4, "x": 2})
    assert sizes({"2": 1, "12": 2, "20": 1, "5000": 1})[-1] == ("1,001+", 1)
    assert dict(sizes({"12": 2, "20": 1}))["11–20"] == 3


@pytest.mark.parametrize(("language", "theme"), zip(LANGUAGES, PALETTES, strict=True))
def test_plotly_accepts_every_figure(folder: Path, language: str, theme: str) -> None:
    report = collect(folder)
    found = figures(report)
    assert found.keys() == {"lengths", "sizes"}
    data = {"corpus": {"lengths": report.lengths.model_dump()}}
    for figure in found.values():
        drawn = resolve(figure, data, strings(language), PALETTES[theme])
        assert "@" not in go.Figure(drawn).to_json()


def test_all_texts_of_the_page_exist(page: str) -> None:
    keys = set(re.findall(r'data-t="([^"]+)"', page)) | set(re.findall(r"@t\.([\w.]+)", page))
    assert len(keys) > 100
    assert {key for key in keys if "{" not in key and key[-1] != "."} <= strings("en").keys()


def test_both_commands_write_it(folder: Path, tmp_path: Path, capsys) -> None:
    words = [str(folder), "--out", str(tmp_path / "a.html")]
    one = report_command.run(config.parse(report_command.Config, words, prog="danlu report"))
    words = ["report", str(folder), "--out", str(tmp_path / "b.html")]
    two = corpus_command.run(config.parse(corpus_command.Config, words, prog="danlu corpus"))
    assert one["panels"] == two["panels"] == list(PANELS)
    assert (tmp_path / "a.html").stat().st_size == one["bytes"]
    with pytest.raises(DataError, match="there is no corpus"):
        corpus_page.write(tmp_path / "nothing")


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_in_a_browser(folder: Path, tmp_path: Path) -> None:
    result = corpus_page.write(folder, out=tmp_path / "page.html")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            "--window-size=1200,2000",
            "--virtual-time-budget=3000",
            "--dump-dom",
            Path(result["report"]).as_uri() + "?lang=zh",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    drawn = re.findall(r'class="chart[^"]*js-plotly-plot"[^>]*data-figure="(\w+)"', done.stdout)
    assert sorted(drawn) == ["lengths", "sizes"]
    chinese = strings("zh")
    for key in ("panel.cleaning", "panel.diversity", "corpus.advice", "measure.heaps"):
        assert chinese[key] in done.stdout
    assert "81% 的文本来自同一来源" in done.stdout and "<img" not in done.stdout.split("<script")[0]
