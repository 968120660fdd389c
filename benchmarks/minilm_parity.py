"""Sentence embeddings of Danlu beside sentence-transformers', on 20 English and Chinese sentences.

python benchmarks/minilm_parity.py FOLDER

FOLDER holds all-MiniLM-L6-v2, or another BERT that is pooled by the mean and normalised. The oracle
is sentence-transformers if it is installed, else transformers' own model with that pooling.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

SENTENCES = [
    "The cat sat on the mat.",
    "A feline was resting on a rug.",
    "Interest rates rose by a quarter of a percent.",
    "The central bank tightened its policy.",
    "How do I sort a list in Python?",
    "Use sorted(), or the method sort().",
    "Ångström, naïve café, Übermensch: accents go away.",
    "E = mc² — energy and mass are one.",
    "",
    "hello",
    "DON'T SHOUT!!! (please)",
    " ".join(["A long sentence that goes on and on about the weather."] * 12),
    "床前明月光，疑是地上霜。",
    "月亮照在我的床前，像地上的霜。",
    "今天股市大跌，投资者很担心。",
    "他在北京大学学习计算机科学。",
    "机器学习是人工智能的一个分支。",
    "Machine learning 是 AI 的一部分。",
    "龘靐齉爩：很少见的字。",
    "明天会下雨吗？",
]


def oracle(folder: Path) -> tuple[str, Any, float]:
    import torch

    if importlib.util.find_spec("sentence_transformers"):
        import sentence_transformers

        model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        start = time.perf_counter()
        found = model.encode(SENTENCES, convert_to_tensor=True)
        name = f"sentence-transformers {sentence_transformers.__version__}"
        return name, found, time.perf_counter() - start
    import transformers

    bert, tokenizer = (
        kind.from_pretrained(folder)
        for kind in (transformers.AutoModel, transformers.AutoTokenizer)
    )
    start = time.perf_counter()
    batch = tokenizer(SENTENCES, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = bert.eval()(**batch).last_hidden_state
    keep = batch["attention_mask"][..., None].float()
    mean = (hidden * keep).sum(1) / keep.sum(1)
    found = torch.nn.functional.normalize(mean, dim=-1)
    return f"transformers {transformers.__version__}, pooled", found, time.perf_counter() - start


def main() -> None:
    folder = Path(sys.argv[1])
    from danlu.models import hub
    from danlu.models.sentences import sentence_embeddings
    from danlu.tokenizer import Tokenizer

    model, tokenizer = hub.load_stack(folder).eval(), Tokenizer.load(folder)
    start = time.perf_counter()
    mine = sentence_embeddings(model, tokenizer, SENTENCES, max_tokens=256)
    seconds = time.perf_counter() - start
    name, theirs, their_seconds = oracle(folder)
    worst = (mine - theirs).abs().max(dim=1).values
    print(f"| oracle | {name} |")
    print(f"| largest difference of a number | {worst.max():.1e} |")
    print(f"| smallest cosine of ours and theirs | {(mine * theirs).sum(-1).min():.8f} |")
    print(f"| seconds, ours and theirs | {seconds:.2f}, {their_seconds:.2f} |")
    for text, difference in zip(SENTENCES, worst, strict=True):
        print(f"| {text[:40]} | {difference:.1e} |")


if __name__ == "__main__":
    main()
