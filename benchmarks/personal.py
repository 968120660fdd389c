"""What the step `personal` masks in ordinary text, by kind and million characters, and its MB/s.

python benchmarks/personal.py DATA [--show]

DATA is a folder with any of: wikitext2_heldout/test.txt, tang_poetry/tang.jsonl.gz, csl/benchmark,
tatoeba_en_zh/cmn.txt, gsm8k/test.jsonl, xquad/xquad.{en,zh}.json, sms_spam/SMSSpamCollection,
sft_demo. What is absent is left out. The documentation of Python and of installed packages is that
of `danlu prepare` without a path. --show prints every hit with what stands around it, to be judged
by a reader: the table cannot know which addresses are somebody's.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

from danlu.data import rows
from danlu.data.settings import PERSONAL_KINDS, PrepareSettings
from danlu.data.sources import python_docs
from danlu.data.steps import personal
from danlu.types import Document

AROUND = 40


def sets(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and texts of each set that is there."""
    if (path := data / "wikitext2_heldout" / "test.txt").is_file():
        yield "WikiText-2 test and valid", _lines(path) + _lines(path.with_name("valid.txt"))
    if (path := data / "tang_poetry" / "tang.jsonl.gz").is_file():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield "Tang poems", [json.loads(line)["text"] for line in file]
    if (path := data / "csl" / "benchmark").is_dir():
        yield "CSL", [line for file in sorted(path.glob("*/*.tsv")) for line in _lines(file)]
    if (path := data / "tatoeba_en_zh" / "cmn.txt").is_file():
        pairs = [line.split("\t") for line in _lines(path) if "\t" in line]
        yield "Tatoeba en and zh", [sentence for pair in pairs for sentence in pair[:2]]
    if (path := data / "gsm8k" / "test.jsonl").is_file():
        items = [json.loads(line) for line in _lines(path)]
        yield "GSM8K", [f"{item['question']}\n{item['answer']}" for item in items]
    for name in ("en", "zh"):
        if (path := data / "xquad" / f"xquad.{name}.json").is_file():
            articles = json.loads(path.read_text("utf-8"))["data"]
            paragraphs = [p for article in articles for p in article["paragraphs"]]
            asked = [qa["question"] for p in paragraphs for qa in p["qas"]]
            yield f"XQuAD {name}", [p["context"] for p in paragraphs] + asked
    if (path := data / "sms_spam" / "SMSSpamCollection").is_file():
        yield "SMS, also spam", [line.split("\t")[1] for line in _lines(path)]
    if (path := data / "sft_demo").is_dir():
        yield "Instructions and web", [p.read_text("utf-8") for p in sorted(path.glob("*.js*"))]
    files = python_docs.find()
    found = [document.text for _, document in python_docs.documents(files, 15_000_000)]
    yield "Documentation in Python", found


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8-sig").splitlines()


def hits(texts: list[str]) -> Iterator[tuple[str, str]]:
    """Every hit: its kind, and the text around it with the hit between ⟦ and ⟧."""
    for text in texts:
        for start, end, name in personal.found(text):
            before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
            yield name, f"{before}⟦{text[start:end]}⟧{after}".replace("\n", "⏎")


def main() -> None:
    """A line a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--show", action="store_true", help="print every hit")
    arguments = parser.parse_args()
    print(f"{'hits (per million characters)':<30}{'M chars':>8}", end="")
    print("".join(f"{kind:>14}" for kind in PERSONAL_KINDS), "    MB/s")
    for name, texts in sets(arguments.data):
        batches = list(rows.batches(Document(t, str(n), {}) for n, t in enumerate(texts)))
        step = personal.build(PrepareSettings())
        began = time.process_time()
        for _ in step(iter(batches)):
            pass
        seconds = time.process_time() - began
        millions = sum(map(len, texts)) / 1e6
        counts = (step.stats().get(kind, 0) for kind in PERSONAL_KINDS)
        cells = "".join(f"{f'{n} ({n / millions:.2f})' if n else '·':>14}" for n in counts)
        rate = sum(len(text.encode()) for text in texts) / 1e6 / max(seconds, 1e-9)
        print(f"{name:<30}{millions:>8.2f}{cells}{rate:>9.0f}")
        if arguments.show:
            for kind, hit in hits(texts):
                print(f"    {kind:<10} {hit}")


if __name__ == "__main__":
    main()
