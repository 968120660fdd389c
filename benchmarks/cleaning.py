"""Does cleaning help? A small model on raw and on cleaned text, equal tokens, clean held-out text.

    python benchmarks/cleaning.py TEXTS… [--steps 400] [--seeds 3]

Held out is clean text of which no passage stands in either training text. Both have the same
tokenizer, trained on the cleaned text, the same model, and see the same number of tokens.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

import danlu
from danlu.data.settings import ContaminationSettings, PrepareSettings
from danlu.data.shards import tokenize

VOCAB, CONTEXT, ROWS = 4096, 256, 28
SHAPE = {"d_model": 96, "n_layers": 3, "n_heads": 3, "n_kv_heads": 3, "head_dim": 32, "d_ff": 288}
LR = {"lr": 0.02, "embed_lr": 0.03, "vector_lr": 0.03, "weight_decay": 0.0, "clip": 0.0}
T_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}
"""Student's t for intervals of 95 %, by degrees of freedom."""


def corpora(texts: list[Path], work: Path) -> tuple[danlu.Corpus, danlu.Corpus, list[str]]:
    """Raw and cleaned text without passages of the held-out texts, and these."""
    first = danlu.prepare(texts, work / "first", PrepareSettings(held_out=0.01))
    held_out = [document.text for document in first.documents("held_out")]
    path = work / "held_out.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in held_out), "utf-8")
    against = ContaminationSettings(against=(str(path),))
    raw = PrepareSettings(steps=("contamination",), contamination=against, held_out=0.005)
    clean = PrepareSettings(contamination=against, held_out=0.005)
    return (
        danlu.prepare(texts, work / "raw", raw),
        danlu.prepare(texts, work / "clean", clean),
        held_out,
    )


def trained(tokens: np.ndarray, steps: int, seed: int) -> danlu.Transformer:
    """The model after so many steps."""
    config = danlu.ModelConfig(vocab_size=VOCAB, max_len=CONTEXT, tied=False, **SHAPE)
    model = danlu.initialise(danlu.Transformer(config), seed=seed)
    optimizer = danlu.build_optimizer(model, danlu.OptimizerConfig(name="muon", **LR))
    batches = danlu.StreamBatches(tokens, context=CONTEXT, rows=ROWS, seed=seed)
    for _ in danlu.steps(model, danlu.NextToken(), batches, optimizer, horizon=danlu.Steps(steps)):
        pass
    return model


def main() -> None:
    """A line a run, then the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        raw, clean, held_out = corpora(args.texts, Path(name))
        for label, corpus in (("raw", raw), ("clean", clean)):
            print(label, corpus.manifest["counts"]["train"], flush=True)
        texts = (document.text for document in clean.documents("train"))
        tokenizer = danlu.train_tokenizer(texts, vocab=VOCAB)
        ids = [i for text in held_out for i in [tokenizer.bos_id, *tokenizer.encode(text)]]
        measure = danlu.Perplexity(
            np.array([*ids, tokenizer.bos_id], np.int32),
            text_bytes=sum(len(text.encode()) for text in held_out),
        )
        print(f"held out: {len(held_out):,} texts, {len(ids):,} tokens", flush=True)
        differences = []
        for seed in range(args.seeds):
            found = {}
            for label, corpus in (("raw", raw), ("clean", clean)):
                model = trained(tokenize(corpus, tokenizer).tokens("train"), args.steps, seed)
                found[label] = measure(model)
                print(seed, label, found[label], flush=True)
            differences.append(found["clean"]["bits_per_byte"] - found["raw"]["bits_per_byte"])
    mean, n = statistics.mean(differences), len(differences)
    if n > 1:
        half = T_95[n - 1] * statistics.stdev(differences) / n**0.5
        print(f"clean - raw: {mean:+.4f} ± {half:.4f} bits per byte (95 %, {n} seeds)")


if __name__ == "__main__":
    main()
