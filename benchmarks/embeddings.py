"""Skip-gram of Danlu and of gensim: one loss for both, seed by seed, and the time they take.

    python benchmarks/embeddings.py TEXTS… --python OTHER/bin/python [--mb 10] [--seeds 3]

TEXTS are files of plain text. gensim needs an environment of its own (`pip install gensim`). Both
get the same words, cut once; the loss of a pair (word2vec's, with k negatives) is computed here for
the tables of both, on pairs and negatives that are drawn once: from the text that was trained on,
and from a twentieth of the documents that neither saw. The runs alternate, so that both meet the
same load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from danlu.embeddings import segment, skip_gram, windows, words

LONGEST = 10_000
"""Words in a document: gensim drops what is beyond."""
PAIRS = 200_000
HELD_OUT = 20


def documents(paths: list[Path], mb: float) -> list[str]:
    """Paragraphs of the files, in pieces of about 5,000 characters; `mb` of text at most."""
    pieces, size, room = [], 0, mb * 1e6
    for path in paths:
        piece: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            piece.append(line)
            size += len(line)
            if size > 5_000:
                pieces.append("\n".join(piece))
                room -= len(pieces[-1].encode())
                piece, size = [], 0
            if room < 0:
                return pieces
    return pieces


def part(text: words.Words, numbers: np.ndarray) -> words.Words:
    """Some documents of a text, with its vocabulary."""
    spans = [text.ids[text.starts[i] : text.starts[i + 1]][:LONGEST] for i in numbers]
    starts = np.cumsum([0, *map(len, spans)])
    ids = np.concatenate(spans)
    counts = np.bincount(ids, minlength=len(text.counts))
    return words.Words(text.spellings, counts, ids, starts)


def pairs(text: words.Words, noise: np.ndarray, s: skip_gram.Settings) -> tuple[np.ndarray, ...]:
    """PAIRS pairs of a text and their negatives: [n], [n], [n, k]."""
    random = np.random.default_rng(123)
    one = windows.draw(text, window=s.window, keep=text.keep(s.sample), random=random)
    at = random.integers(0, len(one.ids), PAIRS * 2)
    step = random.integers(-s.window, s.window + 1, len(at))
    good = np.flatnonzero((step != 0) & (step >= -one.left[at]) & (step <= one.right[at]))[:PAIRS]
    negatives = random.choice(len(noise), (len(good), s.negatives), p=noise)
    return one.ids[at[good]], one.ids[at[good] + step[good]], negatives


def loss(v: np.ndarray, u: np.ndarray, sample: tuple[np.ndarray, ...]) -> float:
    """Mean of -log σ(u_o·v_c) - Σ log σ(-u_n·v_c)."""
    centres, others, negatives = sample
    right = np.einsum("nd,nd->n", v[centres], u[others])
    wrong = np.einsum("nd,nkd->nk", v[centres], u[negatives])
    return float(np.logaddexp(0, -right).mean() + np.logaddexp(0, wrong).sum(1).mean())


def ours(text: words.Words, s: skip_gram.Settings) -> tuple[np.ndarray, np.ndarray, float]:
    """Both tables, and seconds."""
    began = time.perf_counter()
    made = skip_gram.train(text, s)
    return made.vectors, made.contexts, time.perf_counter() - began


def gensim(folder: Path, python: str, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Both tables, and seconds."""
    peer = Path(__file__).with_name("embeddings_peer.py")
    command = [python, str(peer), str(folder), str(seed), str(os.cpu_count() or 1)]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    if done.returncode:
        sys.exit(f"gensim failed:\n{done.stderr[-2000:]}")
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return np.load(folder / "vectors.npy"), np.load(folder / "contexts.npy"), seconds


def main() -> None:
    """Print a line a run, and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--python", help="of an environment with gensim; without it ours alone")
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    texts = documents(args.texts, args.mb)
    size = sum(len(text.encode()) for text in texts)
    began = time.perf_counter()
    whole = words.read(texts, segment.segmenter("characters"), min_count=5)
    print(
        f"{size / 1e6:.1f} MB, {len(whole.ids):,} words of {len(whole.counts):,}; "
        f"cut in {time.perf_counter() - began:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    numbers = np.arange(len(texts))
    train = part(whole, numbers[numbers % HELD_OUT != 0])
    seen = np.flatnonzero(train.counts)
    new = np.full(len(train.counts), -1, np.int32)
    new[seen] = np.arange(len(seen))
    held = part(whole, numbers[numbers % HELD_OUT == 0])
    held_ids = new[held.ids]
    settings = skip_gram.Settings(epochs=args.epochs)
    train = words.Words(
        tuple(train.spellings[i] for i in seen), train.counts[seen], new[train.ids], train.starts
    )
    before = np.concatenate([[0], np.cumsum(held_ids >= 0)])
    held = words.Words(train.spellings, train.counts, held_ids[held_ids >= 0], before[held.starts])
    samples = {
        "trained on": pairs(train, train.noise(), settings),
        "held out": pairs(held, train.noise(), settings),
    }
    results: dict[str, list[dict[str, Any]]] = {"danlu": [], "gensim": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = {**asdict(settings), "words": len(seen)}
        (folder / "settings.json").write_text(json.dumps(facts))
        spans = zip(train.starts[:-1], train.starts[1:], strict=True)
        lines = (" ".join(map(str, train.ids[a:b])) for a, b in spans)
        (folder / "words.txt").write_text("\n".join(line for line in lines if line))
        for seed in range(args.seeds):
            for who in results:
                if who == "gensim" and not args.python:
                    continue
                chosen = skip_gram.Settings(epochs=args.epochs, seed=seed)
                v, u, seconds = (
                    ours(train, chosen) if who == "danlu" else gensim(folder, args.python, seed)
                )
                row = {name: loss(v, u, sample) for name, sample in samples.items()}
                results[who].append({**row, "seconds": seconds})
                shown = "  ".join(f"{k} {x:.4f}" for k, x in results[who][-1].items())
                print(f"{who:7} seed {seed}  {shown}", flush=True)
    for who, rows in results.items():
        for name in rows[0] if rows else ():
            values = [row[name] for row in rows]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            print(f"{who:7} {name:10} {statistics.mean(values):.4f} ± {spread:.4f}")


if __name__ == "__main__":
    main()
