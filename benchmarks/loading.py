"""Peak memory of loading and saving a model of about 300 MB, as a share of its own bytes.

python benchmarks/loading.py

Each in a process of its own that has opened a small model before, so that libraries are loaded.
Peaks are VmHWM of Linux, reset before each. Saved in shards of 20 MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))

from model_examples import tokenizer
from test_loading_memory import BIASES, CODE, PLAIN, SMALL, WIDE

from danlu.models import hub
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

LARGE = WIDE | {"vocab_size": 50_000, "d_model": 768, "n_layers": 4, "n_heads": 12}
LARGE |= {"n_kv_heads": 12, "tied": True}
KINDS = {
    "qwen3": LARGE,
    "gpt2, transposed": LARGE | PLAIN | BIASES | {"model_type": "gpt2", "position": "learned"},
    "gpt_neox, by heads": LARGE | PLAIN | BIASES | {"model_type": "gpt_neox", "parallel": True},
    "phi3, stacked": LARGE | {"model_type": "phi3", "qk_norm": "none"},
}


def main() -> None:
    print("| model | numbers | files | MB | peak of loading / bytes | peak of saving / bytes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, knobs in KINDS.items():
        for dtype in ("float32", "bfloat16"):
            for shard_bytes in (hub.SHARD_BYTES, 50_000_000):
                with tempfile.TemporaryDirectory() as place:
                    first, folder = Path(place) / "first", Path(place) / dtype
                    hub.save(first, Transformer(ModelConfig(**WIDE | SMALL)), tokenizer())
                    model = Transformer(ModelConfig(**knobs)).to(getattr(torch, dtype))
                    hub.save(folder, model, tokenizer(), shard_bytes=shard_bytes)
                    command = [sys.executable, "-c", CODE, str(first), str(folder)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    files = len(list(folder.glob("*.safetensors")))
                size, load, save = json.loads(done.stdout)[dtype]
                cells = [name, dtype, files, f"{size / 1e6:.0f}", f"{load / size:.3f}"]
                print("|", *(f"{cell} |" for cell in cells), f"{save / size:.3f} |", flush=True)


if __name__ == "__main__":
    main()
