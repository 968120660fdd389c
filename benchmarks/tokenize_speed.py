"""MB/s of encoding for each kind of tokenizer, English and Chinese, on two threads.

python benchmarks/tokenize_speed.py CORPUS [CORPUS …] [--vocab 8192] [--mb 4] [--runs 5]

Each corpus is a folder that `danlu prepare` wrote; its texts are grouped by language. A tokenizer
of each kind is trained on the texts of one language and encodes other texts of it: first with no
word known (cold), then again (warm), as in the course of a large corpus. Median (smallest …
largest); MB are UTF-8 bytes / 10^6. The last column is the library alone, without looking words up.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("RAYON_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

from danlu import discover
from danlu.data.corpus import Corpus
from danlu.data.labelled import labelled
from danlu.tokenizer import Tokenizer, train
from danlu.tokenizer.train import KINDS

BATCH = 512


def texts_of(folders: list[Path], limit: int) -> dict[str, tuple[list[str], list[str]]]:
    """Texts to train on and to encode by language: at most `limit` bytes each, none in both."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    room: dict[tuple[str, int], int] = {}
    for folder in folders:
        for number, (language, text) in enumerate(labelled(Corpus.open(folder), "train")):
            side = number % 2
            left = room.get((language, side), limit)
            if left > 0:
                found.setdefault(language, ([], []))[side].append(text)
                room[language, side] = left - len(text.encode())
    return found


def speed(encode: Callable[[list[str]], object], texts: list[str]) -> float:
    """MB/s."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    began = time.perf_counter()
    for start in range(0, len(texts), BATCH):
        encode(texts[start : start + BATCH])
    return size / (time.perf_counter() - began)


def measured(tokenizer: Tokenizer, texts: list[str], runs: int) -> list[str]:
    """Cold, warm and without looking up, each as a line's cell."""
    rates: dict[str, list[float]] = {"cold": [], "warm": [], "library": []}
    for _ in range(runs):
        fresh = Tokenizer(tokenizer.contents)
        rates["cold"].append(speed(fresh.encode_arrays, texts))
        rates["warm"].append(speed(fresh.encode_arrays, texts))
        rates["library"].append(speed(fresh._core.encode_batch_fast, texts))
    return [f"{statistics.median(r):.1f} ({min(r):.1f} … {max(r):.1f})" for r in rates.values()]


def main() -> None:
    """A line a kind and language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--mb", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kinds", nargs="*", default=discover.names(KINDS))
    args = parser.parse_args()
    print(f"{'':<18}{'bytes/token':>12}{'cold MB/s':>22}{'warm MB/s':>22}{'library MB/s':>22}")
    for language, (learnt, other) in texts_of(args.corpora, int(args.mb * 1e6)).items():
        for kind in args.kinds:
            tokenizer = train(learnt, vocab=args.vocab, kind=kind, strict=False)
            size = sum(len(text.encode()) for text in other)
            tokens = sum(map(len, tokenizer.encode_arrays(other)))
            cells = measured(tokenizer, other, args.runs)
            row = "".join(f"{cell:>22}" for cell in cells)
            print(f"{language:<6}{kind:<12}{size / tokens:>12.2f}{row}", flush=True)


if __name__ == "__main__":
    main()
