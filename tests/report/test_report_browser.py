"""The page in a real browser: charts are drawn, nothing is loaded, nothing is an error."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from report_example import metrics, write_base, write_json, write_life, write_metrics

from danlu.report import write
from danlu.report.palette import PALETTES
from danlu.report.wording import strings

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


def opened(page: Path, profile: Path, *, query: str = "", budget_ms: int = 3000) -> tuple[str, str]:
    """The page's elements after its scripts ran, and what it said on the console."""
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--window-size=1200,2000",
            f"--virtual-time-budget={budget_ms}",
            "--dump-dom",
            page.as_uri() + query,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, console


def drawn(dom: str) -> list[str]:
    """The figures that plotly has drawn."""
    return re.findall(r'class="chart[^"]*js-plotly-plot"[^>]*data-figure="([\w-]+)"', dom)


USER = """
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const frame = document.querySelector("iframe");
frame.onload = async () => {
  const page = frame.contentDocument, seen = {};
  const $ = (selector) => page.querySelector(selector);
  const chart = (name) => $(`[data-figure="${name}"]`);
  const ends = (name) => chart(name).layout.xaxis.range.map(Math.round);
  const click = async (selector) => { $(selector).click(); await wait(300); };
  await wait(500);
  seen.drawn = [...page.querySelectorAll(".js-plotly-plot")].map((e) => e.dataset.figure);
  seen.names = [...page.querySelectorAll(".chart text")].map((e) => e.textContent).filter(
    (text) => text.includes("Kneser-Ney"));
  await frame.contentWindow.Plotly.relayout(chart("loss-0"), {"xaxis.range": [50, 90]});
  await wait(500);
  seen.zoomed = [ends("lr-0"), ends("loss-0"), ends("loss-1")[1] > 250];
  await click("#theme");
  seen.theme = [page.documentElement.dataset.theme, chart("loss-0").layout.font.color];
  seen.kept = [ends("loss-0"), ends("lr-0")];
  await click("#language");
  seen.language = [$("#loss h2").textContent, chart("loss-0").layout.yaxis.title.text];
  await click("[data-value=minutes]");
  seen.axis = [chart("loss-0").data[0].x.at(-1), chart("loss-0").layout.xaxis.title.text];
  await click("[data-value=log]");
  seen.log = [chart("loss-0").layout.yaxis.type, chart("lr-0").layout.yaxis.type];
  const slider = $("[data-timeline] input");
  slider.value = 0;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  seen.slider = [$("output").textContent, $(".moment:not([hidden])").dataset.step];
  await click("[data-play]");
  await wait(3000);
  seen.played = [slider.value, slider.max, $("[data-play]").getAttribute("aria-pressed")];
  await click("#commands [data-copy]");
  seen.copied = $("#commands [data-copy]").textContent;
  seen.title = page.title;
  document.body.textContent = "SEEN" + JSON.stringify(seen);
};
frame.src = "demo/report.html?lang=en";
"""


def test_the_final_page_and_all_its_buttons(tmp_path):
    write(write_life(tmp_path / "demo", steps=400))
    user = tmp_path / "user.html"
    user.write_text(f"<body><iframe width=1200 height=900></iframe><script>{USER}</script>")
    dom, console = opened(user, tmp_path / "profile", budget_ms=12_000)
    assert console == ""
    seen = json.loads(html.unescape(re.findall(r"SEEN(.*?)</body>", dom)[0]))
    chinese, dark = strings("zh"), PALETTES["dark"]
    charts = seen.pop("drawn")
    assert len(charts) == 15 and {"loss-0", "loss-1", "lengths"} <= set(charts)
    assert seen == {
        "names": ["Kneser-Ney 5-gram  3.83"],
        "zoomed": [[50, 90], [50, 90], True],  # all charts of the run, not of the other one
        "theme": ["dark", dark["soft"]],
        "kept": [[50, 90], [50, 90]],
        "language": [chinese["panel.loss"], chinese["axis.loss"]],
        "axis": [round(400 * 0.236 / 60, 4), chinese["axis.minutes"]],
        "log": ["log", "linear"],
        "slider": ["第 200 步", "200"],
        "played": ["1", "1", "false"],
        "copied": chinese["page.copied"],
        "title": "demo · Danlu",
    }


def test_the_live_page_takes_up_what_is_new_without_a_reload(tmp_path):
    run, now = tmp_path / "base", time.time()
    write_base(run, steps=300)
    (run / "eval.json").unlink()

    def reach(step: int, heartbeat: float) -> None:
        write_metrics(run, [r for r in metrics(300) if r["step"] <= step])
        status = {"phase": "training", "step": step, "of": 300, "heartbeat": heartbeat}
        write_json(run / "status.json", {**status, "resume": "danlu pretrain"})
        write(run, live=True)

    reach(100, now)
    early = (run / "report.html").read_bytes()
    reach(250, now + 3000)  # the browser's clock is virtual and runs ahead
    (run / "report.html").write_bytes(early)
    dom, console = opened(run / "report.html", tmp_path / "profile", budget_ms=25_000)
    assert console == ""
    assert "Step 250 of 300" in dom and '<section id="samples" class="panel">' in dom
    assert '<a href="#samples">' in dom
    assert len(drawn(dom)) == 7


def test_a_live_page_says_stopped_when_the_heartbeat_is_old(tmp_path):
    run = tmp_path / "base"
    write_base(run, steps=20)
    status = {"phase": "training", "step": 20, "of": 300, "heartbeat": time.time() - 53}
    write_json(run / "status.json", {**status, "resume": "danlu pretrain"})
    write(run, live=True)
    assert 'data-state="training"' in (run / "report.html").read_text()
    dom, console = opened(run / "report.html", tmp_path / "profile", budget_ms=14_000)
    assert console == "" and 'data-state="stopped"' in dom
