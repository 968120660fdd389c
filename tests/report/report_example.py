"""Example data: a run folder and a whole life, as realistic as the report needs them.

Not random text: the losses follow a power law with noise, one step has a spike, the texts hold
what a hostile corpus would hold. To look at one:
`python tests/report/report_example.py runs/example && danlu report runs/example --open`
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
from pathlib import Path
from typing import Any

HOSTILE = '</script><script>document.title="HACKED"</script><img src=x onerror=alert(1)>'
SPIKE_STEP, SPIKE_LOSS = 1237, 9.75
NOW = 1_764_000_000.0

BASELINES = [
    {
        "name": "uniform (ln V)",
        "loss": 8.318,
        "bits_per_byte": 3.489,
        "perplexity": 4096.0,
        "accuracy": 0.0002,
    },
    {
        "name": "unigram",
        "loss": 6.214,
        "bits_per_byte": 2.606,
        "perplexity": 499.7,
        "accuracy": 0.041,
    },
    {
        "name": "bigram",
        "loss": 4.352,
        "bits_per_byte": 1.825,
        "perplexity": 77.6,
        "accuracy": 0.262,
    },
    {
        "name": "Kneser-Ney 5-gram",
        "loss": 3.825,
        "bits_per_byte": 1.604,
        "perplexity": 45.8,
        "accuracy": 0.371,
    },
]
TEXTS = [
    (
        "The function returns",
        " a list of all the values that",
        " the the of a in to",
        " a new string with the given prefix removed.\nIf *name* is not found, raise KeyError.",
    ),
    (
        "import os",
        "ed of the path of the",
        "\n\n\n   the",
        "\n\n.. function:: join(path, *paths)\n\n   Join one or more path segments. The return "
        "value is the\n"
        "   concatenation of *path* and all members of *paths*.\n\n   Availability: Unix",
    ),
    ("春眠不觉晓", "，山山不不山。", "的的，。", "，处处闻啼鸟。\n夜来风雨声，花落知多少。"),
]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def metrics(
    steps: int,
    *,
    start: float = 8.31,
    floor: float = 3.2,
    every: int = 200,
    per_step: int = 8192,
    pace: float = 0.236,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The log of a run: one train record a step, evaluations and samples now and then."""
    rng = random.Random(seed)
    records: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        share = step / steps
        trend = floor + (start - floor) / (1 + 14 * share) ** 0.9
        lr = 0.02 * min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * max(0, share - 0.05) / 0.95))
        loss = SPIKE_LOSS if step == SPIKE_STEP else trend + rng.gauss(0, 0.09)
        common = {"session": 1, "step": step, "time": NOW - (steps - step) * pace}
        records.append(
            {
                "kind": "train",
                **common,
                "seconds": step * pace,
                "tokens": step * per_step,
                "loss": loss,
                "lr": lr,
                "grad_norm": 0.4 + 2 / (1 + step / 30) + abs(rng.gauss(0, 0.08)),
                "tokens_per_s": per_step / pace * (1 + rng.gauss(0, 0.03)),
                "memory_bytes": 1_310_000_000
                + 4_000_000 * min(step, 40)
                + rng.randrange(3_000_000),
            }
        )
        if step % every == 0 or step == steps:
            records.append(
                {
                    "kind": "eval",
                    **common,
                    "loss": trend + 0.03,
                    "tokens": step * per_step,
                    "bits_per_byte": (trend + 0.03) * 0.4194,
                    "seconds": 1.9,
                    "accuracy": 0.42 - (trend - floor) * 0.06,
                }
            )
            for prompt, middle, early, late in TEXTS:
                text = early if share < 0.2 else middle if share < 0.6 else late
                records.append({"kind": "sample", **common, "prompt": prompt, "text": text})
            records.append(
                {
                    "kind": "sample",
                    **common,
                    "prompt": HOSTILE[:9],
                    "text": HOSTILE[9:] + f" at {step}",
                }
            )
    return records


def write_metrics(folder: Path, records: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")


def write_base(folder: Path, steps: int = 2000) -> None:
    """A finished pretraining run."""
    records = metrics(steps)
    write_metrics(folder, records)
    final = [r for r in records if r["kind"] == "eval"][-1]
    (folder / "run.yaml").write_text(
        f"# {HOSTILE}\nseed: 0\nout: runs/demo/base\n"
        "model:\n  layers: 4\n  width: 128\n  heads: 4\n"
        "train:\n  minutes: 8.0\n  batch_tokens: 8192\noptimizer:\n  name: muon\n  lr: 0.02\n",
        encoding="utf-8",
    )
    write_json(
        folder / "status.json",
        {
            "phase": "completed",
            "step": steps,
            "of": steps,
            "eta_s": 0,
            "pid": 4242,
            "heartbeat": NOW,
            "message": "done",
            "resume": "danlu pretrain runs/demo/base/run.yaml",
        },
    )
    write_json(
        folder / "eval.json",
        {
            "loss": final["loss"],
            "perplexity": math.exp(final["loss"]),
            "bits_per_byte": final["bits_per_byte"],
            "accuracy": final["accuracy"],
            "tokens": 182_000,
            "bytes": 626_000,
            "baselines": BASELINES,
            "verdict": {
                "en": "Sane and good: 1.542 bits per byte, 3.9% fewer than the Kneser-Ney 5-gram.",
                "zh": "正常而且不错：每字节 1.542 比特，比 Kneser-Ney 五元模型少 3.9%。",
            },
        },
    )
    write_json(
        folder / "plan.json",
        {
            "predicted": {
                "parameters": 886_272,
                "tokens": 16_400_000,
                "steps": 2000,
                "seconds": 480.0,
                "memory_bytes": 1_400_000_000,
                "loss": 3.61,
            },
            "actual": {
                "parameters": 886_272,
                "tokens": steps * 8192,
                "steps": steps,
                "seconds": 472.0,
                "memory_bytes": 1_473_000_000,
                "loss": final["loss"],
            },
            "candidates": [
                {
                    "name": "2 × 96",
                    "parameters": 412_000,
                    "tokens_per_s": 61_200,
                    "relative_loss": 1.047,
                    "chosen": False,
                },
                {
                    "name": "4 × 128",
                    "parameters": 886_272,
                    "tokens_per_s": 34_700,
                    "relative_loss": 1.0,
                    "chosen": True,
                },
                {
                    "name": "6 × 192",
                    "parameters": 2_900_000,
                    "tokens_per_s": 13_900,
                    "relative_loss": 1.086,
                    "chosen": False,
                },
            ],
            "machine": {"cores": 2, "matmul_gflops": 71.4, "memory_bytes": 8_300_000_000},
        },
    )
    write_json(
        folder / "environment.json",
        {
            "danlu": "0.1.0",
            "python": "3.11.2",
            "torch": "2.13.0+cpu",
            "numpy": "2.4.6",
            "platform": "Linux-6.1-x86_64",
            "cores": 2,
            "threads": 2,
            "commit": "996f3f6",
            "dirty": False,
            "cpu": {"name": "Intel Xeon", "flags": ["avx2", "avx512f"]},
        },
    )
    write_json(folder / "commands.json", ["danlu pretrain runs/demo/base/run.yaml --seed 0"])


def write_chat(folder: Path, steps: int = 300) -> None:
    """A finished fine-tuning run."""
    records = metrics(steps, start=4.1, floor=1.7, every=100, per_step=2048, pace=0.31, seed=1)
    write_metrics(folder, [r for r in records if r["kind"] != "sample"])
    (folder / "run.yaml").write_text("seed: 0\nmodel: runs/demo/base\nout: runs/demo/chat\n")
    write_json(
        folder / "eval.json",
        {
            "loss": 1.86,
            "perplexity": 6.42,
            "bits_per_byte": 0.91,
            "accuracy": 0.58,
            "tokens": 9_100,
            "answers": {
                "before": {"token_f1": 0.083, "exact_match": 0.0, "chrf": 11.2},
                "after": {"token_f1": 0.412, "exact_match": 0.105, "chrf": 38.9},
                "baseline": {
                    "name": "nearest question",
                    "token_f1": 0.291,
                    "exact_match": 0.035,
                    "chrf": 27.4,
                },
                "n": 200,
            },
            "examples": [
                {
                    "question": "What does os.path.join do?",
                    "reference": "Join one or more path segments intelligently.",
                    "before": " os.path.join os.path.join\n\n.. function::",
                    "after": "Join two or more pathname components.",
                },
                {
                    "question": "“床前明月光” 的下一句是什么？",
                    "reference": "疑是地上霜。",
                    "before": "的的的。",
                    "after": "疑是地上霜。",
                },
                {
                    "question": f"What is {HOSTILE}?",
                    "reference": HOSTILE,
                    "before": "",
                    "after": HOSTILE,
                },
            ],
        },
    )


def write_corpus(folder: Path) -> None:
    def part(documents: int, text: int) -> dict[str, int]:
        return {"documents": documents, "bytes": text, "characters": int(text * 0.97)}

    def removal(documents: int, text: int, *examples: str) -> dict[str, Any]:
        cited = [{"id": f"topics.py:{n}", "text": text} for n, text in enumerate(examples)]
        return {"documents": documents, "bytes": text, "examples": cited}

    edges = [0, *(64 << n for n in range(12))]
    write_json(
        folder / "manifest.json",
        {
            "read": part(24_316, 15_340_112),
            "kept": part(15_904, 12_120_551),
            "train": part(15_120, 11_494_219),
            "held_out": part(784, 626_332),
            "steps": [
                {"name": "repair", "version": 1, "changed": 412, "removed": {}},
                {
                    "name": "short",
                    "version": 1,
                    "changed": 0,
                    "removed": {"too short": removal(5_120, 131_070, "Return self.", "x")},
                },
                {
                    "name": "quality",
                    "version": 2,
                    "changed": 0,
                    "removed": {
                        "repetitive: duplicate lines": removal(391, 820_114, "----\n" * 12),
                        f"odd reason {HOSTILE}": removal(7, 9_871, HOSTILE),
                    },
                },
                {
                    "name": "exact",
                    "version": 1,
                    "changed": 0,
                    "removed": {
                        "duplicate": removal(
                            2_894,
                            2_258_506,
                            "Return repr(self).\n\nThe same text, found in 214 classes.",
                            "Initialize self. See help(type(self)) for accurate signature.",
                            "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
                        )
                    },
                },
            ],
            "lengths": {
                "unit": "bytes",
                "edges": edges,
                "before": [2100, 3020, 3900, 4700, 4300, 3100, 1900, 900, 396, 0, 0, 0, 0],
                "after": [0, 1210, 2600, 3800, 3600, 2500, 1400, 640, 154, 0, 0, 0, 0],
            },
            "han_share": 0.034,
            "skipped": {"a licence text": 12, "a binary file": 3},
            "sources": [
                {
                    "file": f"lib/python3.11/pydoc_data/part_{n}.py",
                    "bytes": 900_000 - n * 41_000,
                    "documents": 900 - 31 * n,
                    "encoding": "utf-8" if n % 5 else "gb18030",
                }
                for n in range(18)
            ],
        },
    )


def write_life(folder: Path, steps: int = 2000) -> Path:
    """What `danlu demo` leaves: corpus, tokenizer, pretraining, fine-tuning."""
    write_corpus(folder / "corpus")
    write_json(
        folder / "tokenizer/stats.json",
        {
            "vocab_size": 4096,
            "bytes_per_token": 3.441,
            "examples": [
                {
                    "text": "Return a new string object.",
                    "pieces": ["Return", " a", " new", " string", " object", "."],
                },
                {
                    "text": "春眠不觉晓，处处闻啼鸟。",
                    "pieces": [
                        "春",
                        "眠",
                        "不",
                        "觉",
                        "晓",
                        "，",
                        "处",
                        "处",
                        "闻",
                        "啼",
                        "鸟",
                        "。",
                    ],
                },
                {
                    "text": "def f(x):\n    return x</script>",
                    "pieces": [
                        "def",
                        " f",
                        "(",
                        "x",
                        "):\n",
                        "   ",
                        " return",
                        " x",
                        "</",
                        "script",
                        ">",
                    ],
                },
            ],
        },
    )
    write_base(folder / "base", steps)
    write_chat(folder / "chat")
    write_json(folder / "demo.json", {"minutes": 8})
    write_json(
        folder / "commands.json",
        [
            "danlu demo --minutes 8 --seed 0",
            "danlu chat runs/demo/chat",
            "danlu report runs/demo --open",
        ],
    )
    return folder


if __name__ == "__main__":
    write_life(Path(sys.argv[1]))


def embedded(page: str) -> dict[str, Any]:
    """The JSON inside a page."""
    found = re.search(r'<script type="application/json" id="danlu-data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def panels(page: str) -> list[str]:
    """The names of the panels of a page, in order."""
    return re.findall(r'<section id="(\w+)" class="panel">', page)
