"""Any amount of mixed English and Chinese text, made from real text with many words exchanged.

A document is one to six paragraphs of one language; a share of the words (Chinese: characters) is
replaced by others of that language, so that documents are not repeats of each other; some are
edited copies of an earlier one. The same arguments give the same files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from danlu.data import inputs
from danlu.data.characters import is_han
from danlu.data.reading import Reading

EXCHANGED = 0.25
COPIES, EDITS = 0.05, 0.01
FILE_MB = 12


def generate(folder: Path, texts: list[Path], mb: float, *, chinese: float = 0.4) -> Path:
    """Write about `mb` MB as .jsonl files of FILE_MB; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(f"{mb}")
    pools = _pools(texts)
    written = number = 0.0
    lines: list[str] = []
    held = 0
    for text in _documents(draw, pools, chinese):
        size = len(text.encode())
        lines.append(json.dumps({"text": text}, ensure_ascii=False))
        held += size
        written += size
        if held >= FILE_MB * 1e6 or written >= mb * 1e6:
            (folder / f"{number:05.0f}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
            lines, held, number = [], 0, number + 1
        if written >= mb * 1e6:
            return folder
    raise AssertionError("documents never end")


def _pools(texts: list[Path]) -> dict[bool, list[list[str]]]:
    """Paragraphs as lists of words or characters, by whether they are Chinese."""
    pools: dict[bool, list[list[str]]] = {True: [], False: []}
    for document in Reading(inputs.expand(texts).files).documents():
        for paragraph in document.text.split("\n"):
            chinese = is_han(paragraph)
            if len(paragraph) >= (24 if chinese else 120):
                pools[chinese].append(list(paragraph) if chinese else paragraph.split(" "))
    return pools


def _documents(
    draw: random.Random, pools: dict[bool, list[list[str]]], chinese: float
) -> Iterator[str]:
    words = {
        kind: [word for units in pool[:4000] for word in units] for kind, pool in pools.items()
    }
    earlier: list[tuple[bool, list[list[str]]]] = []
    while True:
        if earlier and draw.random() < COPIES:
            kind, paragraphs = draw.choice(earlier)
            share = EDITS
        else:
            kind = draw.random() < chinese and bool(pools[True])
            paragraphs = [draw.choice(pools[kind]) for _ in range(draw.randrange(1, 7))]
            share = EXCHANGED
        other = words[kind]
        made = [
            [draw.choice(other) if draw.random() < share else unit for unit in paragraph]
            for paragraph in paragraphs
        ]
        if draw.random() < 0.02:
            earlier = [*earlier[-200:], (kind, made)]
        yield "\n".join(("" if kind else " ").join(units).strip() for units in made)
