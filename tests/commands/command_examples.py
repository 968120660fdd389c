"""Small texts, and what the demo made of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

WHO = ["the gardener", "a sailor", "my sister", "the old king", "a student", "the doctor", "a fox"]
DID = ["found", "painted", "lost", "carried", "forgot", "repaired", "sold", "praised"]
WHAT = [
    "a silver ring",
    "the long letter",
    "an empty boat",
    "two lanterns",
    "the map",
    "red apples",
]
WHEN = ["in spring", "before dawn", "after the storm", "on the third day", "at the harbour"]
LINES = [
    "明月松間照",
    "清泉石上流",
    "白日依山盡",
    "黃河入海流",
    "春眠不覺曉",
    "處處聞啼鳥",
    "夜來風雨聲",
]


def write_texts(folder: Path, *, files: int = 60, sentences: int = 40) -> Path:
    """A folder of stories with titles, and one of verses."""
    rng = random.Random(0)
    folder.mkdir(parents=True)
    for number in range(files):
        body = [
            f"{' '.join(map(rng.choice, (WHO, DID, WHAT, WHEN)))}.".capitalize()
            for _ in range(sentences)
        ]
        title = f"# Story {number}: {rng.choice(WHAT)}"
        (folder / f"story-{number}.md").write_text(f"{title}\n\n{' '.join(body)}\n", "utf-8")
    verses = "\n".join("，".join(rng.sample(LINES, 4)) + "。" for _ in range(40))
    (folder / "verses.txt").write_text(verses, "utf-8")
    return folder


@dataclass(frozen=True)
class Demo:
    """What a demo was asked, and where it is."""

    words: list[str]
    out: Path
    texts: Path
