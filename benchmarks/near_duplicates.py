"""Recall and precision of near-duplicates on planted texts, against brute force.

    python benchmarks/near_duplicates.py [--families 2000] [--seeds 11 12 13]

The texts and the brute force are those of `tests/data/near_examples.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import danlu
from danlu.data.settings import PrepareSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data"))
from near_examples import alike, components, planted, shingles, similarity


def main() -> None:
    """A line for each language and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=2000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    args = parser.parse_args()
    print("language seed texts pairs≥0.8 removed pair-recall precision clusters whole")
    for zh in (False, True):
        for seed in args.seeds:
            texts = planted(seed, zh, args.families)
            truth = alike(texts, zh, 0.8)
            with tempfile.TemporaryDirectory() as name:
                path = Path(name) / "a.jsonl"
                lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(texts)]
                path.write_text("\n".join(lines), "utf-8")
                settings = PrepareSettings(steps=("near",), held_out=0.01)
                corpus = danlu.prepare([path], Path(name) / "out", settings)
                twins = {
                    int(d.id.partition("#")[2]): int(d.meta["duplicate_of"].partition("#")[2])
                    for d in corpus.documents("removed")
                }
            kept = set(range(len(texts))) - set(twins)
            found = sum(not (a in kept and b in kept) for a, b in truth)
            sets = {i: shingles(texts[i], zh) for pair in twins.items() for i in pair}
            right = sum(similarity(sets[i], sets[twin]) >= 0.8 for i, twin in twins.items())
            leaders = components(list(truth), len(texts))
            broken = {leaders[a] for a, b in truth if a in kept and b in kept}
            clusters = {leaders[a] for a, _ in truth}
            print(
                f"{'zh' if zh else 'en'} {seed} {len(texts)} {len(truth)} {len(twins)} "
                f"{found / len(truth):.4f} {right / len(twins):.4f} {len(clusters)} "
                f"{1 - len(broken) / len(clusters):.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
