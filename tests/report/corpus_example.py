"""A corpus's manifest with everything in it, written by hand; some of its texts are hostile.

To look at its page: `python tests/report/corpus_example.py FOLDER && danlu report FOLDER --open`
"""

from __future__ import annotations

import copy
import json
import random
import sys
from pathlib import Path
from typing import Any

HOSTILE = "</script><img src=x onerror=alert(1)>"
BIDI = "safe\u202etxt.exe\u2069 \x1b[2J"

POEMS = [
    (
        "tang/0001",
        "zh",
        "空山新雨后，天气晚来秋。\n明月松间照，清泉石上流。\n竹喧归浣女，莲动下渔舟。",
    ),
    ("tang/0002", "zh", "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"),
]
PROSE = [
    "The harbour lay still before dawn. A single lantern moved along the quay, and the gulls, "
    "which had been quiet all night, began to quarrel over nothing in particular.",
    "To make a roux, melt the butter slowly and add the flour all at once. Stir until it smells "
    "of biscuits; then pour in the milk, a little at a time.",
    "A comet's tail always points away from the sun, whichever way the comet travels, because it "
    "is the sun's light and wind that push the dust and gas aside.",
    "In the Sicilian Defence Black answers the king's pawn with the c-pawn, and fights for the "
    "centre from the side. It is the most popular reply at every level.",
]


def amount(documents: int, size: int) -> dict[str, int]:
    return {"documents": documents, "bytes": size, "characters": size}


def judged(values: list[float]) -> list[dict[str, Any]]:
    ids = [f"web/{n:04}.html" for n in range(len(values))]
    texts = [PROSE[n % 4] * 2 for n in range(len(values))]
    return [{"id": i, "value": v, "text": t} for i, v, t in zip(ids, values, texts, strict=True)]


def rule(alone: int, first: int, threshold: float, unit: str) -> dict[str, Any]:
    return {
        "alone": {"documents": alone, "bytes": alone * 2100},
        "first": {"documents": first, "bytes": first * 2100},
        "threshold": threshold,
        "unit": unit,
        "worst": judged([0.93 - n / 50 for n in range(10)]),
        "best": judged([0.01 * n for n in range(10)]),
    }


def measured(scale: float) -> dict[str, Any]:
    words = [
        ["harbour", "ship", "captain", "tide", "mast"],
        ["明月", "山水", "春风", "故人"],
        ["flour", "butter", "oven", "salt", "sugar"],
        ["comet", "orbit", "telescope", "moon"],
        ["bishop", "pawn", "castle", "gambit"],
        ["court", "appeal", "statute", "clause"],
        ["tensor", "gradient", "layer", "loss"],
        ["goal", "league", "coach", "season"],
    ]
    shares = [0.24, 0.19, 0.15, 0.12, 0.1, 0.08, 0.07, 0.05]
    return {
        "documents": 3120,
        "bytes": 5_003_112,
        "distinct": {"1": 0.231 * scale, "2": 0.712 * scale, "3": 0.905 * scale},
        "self_bleu": 0.31 / scale,
        "vocabulary": {"beta": 0.58 * scale, "k": 11.2, "units": 812_345, "words": 61_234},
        "compression": 0.36 * scale,
        "lengths": {"0.05": 120.0, "0.25": 410.0, "0.5": 1102.0, "0.75": 2613.0, "0.95": 9120.0},
        "topics": {
            "k": 12,
            "documents": 3120,
            "entropy": 0.91 * scale,
            "clusters": [
                {"share": s, "words": w} for s, w in zip(shares, words, strict=True)
            ],
        },
        "sources": {"bytes": {}, "others": 0, "effective": 3.2},
        "languages": {"bytes": {}, "others": 0, "effective": 2.1},
    }  # fmt: skip


def manifest() -> dict[str, Any]:
    """The manifest, new each time."""
    rng = random.Random(0)
    duplicate = {**amount(41_200, 61_000_000), "examples": []}
    short = {**amount(9_120, 310_000), "examples": [{"id": "web/9#1", "text": "Click here."}]}
    menus = {
        **amount(12_300, 25_100_000),
        "examples": [{"id": f"web/{HOSTILE}", "text": f"Home | About\n{HOSTILE}\n{BIDI}"}],
    }
    near = {**amount(30_110, 52_000_000), "examples": []}
    edges = [0, *(64 << n for n in range(12))]
    before = [9120, 14010, 22100, 38050, 51000, 47000, 30110, 14800, 5200, 1500, 360, 60, 9]
    drop = (0.02, 0.3, 0.52, 0.61, 0.66, 0.7, 0.72, 0.74, 0.77, 0.8, 0.8, 0.8, 0.8)
    value = {
        "format": 1,
        "kind": "corpus",
        "danlu": "0.2.0",
        "recipe": {
            "encoding": "auto",
            "steps": ["repair 2", "exact 1", "short 1", "repetitive 1", "near 1"],
            "min_characters": 40,
            "held_out": 0.05,
            "source": "files",
        },
        "sources": [
            {"file": "web", "reader": "html", "files": 812, "bytes": 402_000_000,
             "documents": 190_110, "encoding": "UTF-8", "licence": "various"},
            {"file": "wiki.jsonl.zst", "reader": "jsonl", "bytes": 88_000_000, "documents": 31_209,
             "encoding": "UTF-8", "licence": "CC-BY-SA-4.0"},
            {"file": "tang.parquet", "reader": "parquet", "bytes": 9_100_000, "documents": 42_000,
             "licence": "public domain"},
            {"file": f"{HOSTILE}{BIDI}.txt", "reader": "text", "bytes": 120_000, "documents": 12,
             "encoding": "GB18030"},
        ],
        "skipped": {"a binary file": 41, "hidden": 3, "a licence text": 12},
        "broken": [
            {"file": "web/crawl-0031.gz", "reason": "a broken gzip file: it was cut"},
            {"file": HOSTILE, "reason": BIDI},
        ],
        "counts": {
            "read": amount(263_331, 499_220_000),
            "kept": amount(170_601, 356_300_000),
            "train": amount(162_020, 338_400_000),
            "held_out": amount(8_581, 17_900_000),
        },
        "funnel": [
            {"step": "read", "documents": 263_331, "bytes": 499_220_000},
            {"step": "repair", "documents": 263_331, "bytes": 494_710_000},
            {"step": "exact", "documents": 222_131, "bytes": 433_710_000},
            {"step": "short", "documents": 213_011, "bytes": 433_400_000},
            {"step": "repetitive", "documents": 200_711, "bytes": 408_300_000},
            {"step": "near", "documents": 170_601, "bytes": 356_300_000},
        ],
        "steps": [
            {"name": "repair", "version": "2", "changed": 18_220, "removed": {}},
            {"name": "exact", "version": "1", "changed": 0, "removed": {"duplicate": duplicate}},
            {"name": "short", "version": "1", "changed": 0, "removed": {"too short": short}},
            {"name": "repetitive", "version": "1", "changed": 0,
             "removed": {"repetitive: duplicate lines": menus}},
            {"name": "near", "version": "1", "changed": 0, "removed": {"near-duplicate": near}},
        ],
        "removed": {},
        "changed": 18_220,
        "han_share": 0.2213,
        "lengths": {"unit": "bytes", "edges": edges, "before": before,
                    "after": [round(n * k) for n, k in zip(before, drop, strict=True)]},
        "languages": {
            "en": {"documents": 101_220, "bytes": 231_000_000},
            "zh": {"documents": 61_310, "bytes": 104_100_000},
            "de": {"documents": 6_010, "bytes": 17_200_000},
            "und": {"documents": 2_061, "bytes": 4_000_000},
        },
        "rules": {
            "mean word length": rule(6_110, 1_020, 10, "characters"),
            "symbols": rule(9_870, 5_210, 0.1, "per word"),
            "stop words": rule(14_220, 9_100, 2, "words"),
            "lines ending in …": rule(2_010, 800, 0.3, "of lines"),
            HOSTILE: rule(12, 1, 0.5, ""),
        },
        "duplicates": {
            "exact": {"documents": 41_200, "bytes": 61_000_000},
            "near": {
                "documents": 30_110, "clusters": 11_020, "giant_buckets": 3,
                "sizes": {"412": 1} | {str(n): round(9_000 / n**1.9) + 1 for n in range(2, 60)},
                "largest": [
                    {"kept": "web/cookie.html", "text": f"We value your privacy. {HOSTILE}",
                     "removed": [f"web/page-{n}.html" for n in range(411)]},
                    {"kept": "web/terms.html", "text": PROSE[1],
                     "removed": [f"web/terms-{n}{BIDI}.html" for n in range(3)]},
                ],
            },
        },
        "personal": {
            "email": {"count": 8_120, "documents": 5_001},
            "phone": {"count": 2_310, "documents": 1_907},
            "ip": {"count": 410, "documents": 202},
        },
        "diversity": {
            "before": measured(0.86),
            "after": measured(1.0),
            "advice": [
                {"key": "one_source", "values": {"share": "81%", "source": f"web{HOSTILE}"}},
                {"key": "near", "values": {"share": "14%"}},
                {"key": "rare_language", "values": {"language": "de", "share": "0.8%"}},
                {"key": "of a later version", "values": {}},
            ],
        },
        "mixture": [
            {"source": "web", "bytes": 402_000_000, "weight": 1.0, "wanted": 250_000_000,
             "got": 250_000_000, "repeats": 0.9},
            {"source": "wiki.jsonl.zst", "bytes": 88_000_000, "weight": 2.0, "wanted": 90_000_000,
             "got": 90_000_000, "repeats": 1.1},
            {"source": "tang.parquet", "bytes": 9_100_000, "weight": 5.0, "wanted": 50_000_000,
             "got": 36_400_000, "repeats": 4.0},
        ],
        "survivors": [
            *({"id": i, "file": "tang.parquet", "lang": lang, "text": t} for i, lang, t in POEMS),
            {"id": f"web/{BIDI}", "file": HOSTILE, "lang": "en", "text": f"{HOSTILE} {BIDI}"},
            *({"id": f"web/{n:05}.html", "file": "web", "lang": "en",
               "text": " ".join(rng.sample(PROSE, 4))} for n in range(17)),
        ],
        "split_by": "file",
        "files": {},
    }  # fmt: skip
    return copy.deepcopy(value)


def write(folder: Path, value: dict[str, Any] | None = None) -> Path:
    """A folder with a manifest, by default the whole one."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest() if value is None else value, ensure_ascii=True)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    write(Path(sys.argv[1]))
