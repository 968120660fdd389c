"""MB/s of encoding and of decoding for each family's kind of tokenizer, beside transformers.

python benchmarks/tokenizer_families.py [TEXT.jsonl …] [--mb 0.3] [--runs 3]

Small tokenizers in the structure of the real files (tests/tokenizer/spelling_examples.py), learnt
from the documentation that comes with Python; 600 tokens, so texts are longer in tokens than with
real vocabularies. Texts are English and Chinese, by default that documentation and lines of poems;
both sides get them in batches of 256 and use two threads. Danlu remembers words that it has met
where it knows how a family cuts; each run begins without. Median of the runs. MB are UTF-8 bytes /
10^6. The last column says whether all ids were the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tokenizer"))

from spelling_examples import CHINESE, FAMILIES, family

from danlu.tokenizer import Tokenizer

BATCH = 256
FEW = ("gpt2", "llama3", "qwen2", "llama2", "llama2_new", "gemma", "t5", "bert")


def texts_of(paths: list[Path], limit: int) -> list[str]:
    """Texts of at most so many bytes."""
    rows = [json.loads(line)["text"] for path in paths for line in path.open(encoding="utf-8")]
    texts, size = [], 0
    pool = rows or [*topics.values(), *(line * 9 for line in CHINESE)]
    while size < limit:
        for text in pool:
            texts.append(text)
            size += len(text.encode())
            if size >= limit:
                break
    return texts


def speed(work: Callable[[list[Any]], object], rows: list[Any], size: int) -> float:
    """MB/s."""
    began = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        work(rows[start : start + BATCH])
    return size / 1e6 / (time.perf_counter() - began)


def opened(name: str) -> tuple[Tokenizer, Any]:
    """A family's tokenizer here and in transformers."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for file, data in family(name).items():
            Path(folder, file).write_bytes(data)
        return Tokenizer.load(Path(folder)), AutoTokenizer.from_pretrained(folder)


def main() -> None:
    """A line a family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", type=Path)
    parser.add_argument("--mb", type=float, default=0.3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--families", nargs="*", default=FEW, choices=FAMILIES)
    args = parser.parse_args()
    texts = texts_of(args.texts, int(args.mb * 1e6))
    size = sum(len(text.encode()) for text in texts)
    head = "".join(f"{word:>9}" for word in ("encode", "theirs", "decode", "theirs"))
    print(f"{'MB/s':<12}{'bytes/token':>12}{head}  ids")
    for name in args.families:
        rates: dict[str, list[float]] = {}
        for _ in range(args.runs):
            own, other = opened(name)
            asked = {"add_special_tokens": False, "split_special_tokens": True}
            work: dict[str, Callable[[list[Any]], object]] = {
                "encode": own.encode_arrays,
                "theirs": lambda batch, other=other, asked=asked: other(
                    batch, **asked, return_attention_mask=False
                ),
            }
            for key, run in work.items():
                rates.setdefault(key, []).append(speed(run, texts, size))
            ids = own.encode_batch(texts)
            back: dict[str, Callable[[list[Any]], object]] = {
                "decode": lambda batch, own=own: list(map(own.decode, batch)),
                "their decode": lambda batch, other=other: [
                    other.decode(row, skip_special_tokens=True) for row in batch
                ],
            }
            for key, run in back.items():
                rates.setdefault(key, []).append(speed(run, ids, size))
        same = "same" if ids == other(texts, **asked)["input_ids"] else "DIFFER"
        cells = "".join(f"{statistics.median(found):>9.1f}" for found in rates.values())
        tokens = sum(map(len, ids))
        print(f"{name:<12}{size / tokens:>12.2f}{cells}  {same}", flush=True)


if __name__ == "__main__":
    main()
