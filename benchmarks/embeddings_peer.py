"""gensim's skip-gram on the words that `embeddings.py` wrote: run by it, in gensim's environment.

OTHER/bin/python benchmarks/embeddings_peer.py FOLDER SEED WORKERS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec


def main() -> None:
    """Train, write both tables in the order of the vocabulary, and print the seconds."""
    folder, seed, workers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = json.loads((folder / "settings.json").read_text())
    lines = (folder / "words.txt").read_text(encoding="utf-8").splitlines()
    began = time.perf_counter()
    model = Word2Vec(
        [line.split(" ") for line in lines],
        sg=1,
        hs=0,
        min_count=1,
        vector_size=settings["width"],
        window=settings["window"],
        negative=settings["negatives"],
        epochs=settings["epochs"],
        sample=settings["sample"],
        alpha=settings["lr"],
        min_alpha=settings["lr"] * 0.004,
        seed=seed,
        workers=workers,
    )
    seconds = time.perf_counter() - began
    order = [model.wv.key_to_index[str(number)] for number in range(settings["words"])]
    np.save(folder / "vectors.npy", model.wv.vectors[order])
    np.save(folder / "contexts.npy", model.syn1neg[order])
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
