"""Training steps of the same model here and in transformers, in turn, on this CPU.

python benchmarks/pretrain_cpu.py

6 blocks, 384 wide, vocabulary 8,192, 16 rows of 256 tokens, float32, AdamW (fused in both). The two
take turns step by step, so whatever else the machine does hits both; the ratio is of neighbours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import danlu
from danlu.types import Batch

ROWS, CONTEXT, VOCAB, WIDTH, BLOCKS, HEADS, HIDDEN = 16, 256, 8192, 384, 6, 6, 1024
PAIRS, WARM_UP = 15, 2


def tokens() -> np.ndarray:
    """The same random tokens for both."""
    return np.random.default_rng(0).integers(0, VOCAB, (ROWS, CONTEXT + 1), dtype=np.int32)


def ours() -> Iterator[float]:
    """Losses of our steps."""
    config = danlu.ModelConfig(
        vocab_size=VOCAB,
        d_model=WIDTH,
        n_layers=BLOCKS,
        n_heads=HEADS,
        n_kv_heads=HEADS,
        head_dim=WIDTH // HEADS,
        d_ff=HIDDEN,
        max_len=CONTEXT,
        tied=False,
        qk_norm="none",
        model_type="llama",
    )
    model = danlu.initialise(danlu.Transformer(config), seed=0)
    optimizer = danlu.build_optimizer(
        model, danlu.OptimizerConfig(name="adamw", lr=3e-4, weight_decay=0.1, clip=1.0)
    )
    rows = tokens()
    batch = Batch(tokens=rows[:, :-1], labels=rows[:, 1:])
    for info in danlu.steps(
        model,
        danlu.NextToken(),
        lambda step: [batch],
        optimizer,
        horizon=danlu.Steps(10_000),
    ):
        yield info.loss


def theirs() -> Iterator[float]:
    """Losses of the same in transformers, as its users write it."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=WIDTH,
            num_hidden_layers=BLOCKS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            intermediate_size=HIDDEN,
            max_position_embeddings=CONTEXT + 1,
            tie_word_embeddings=False,
            use_cache=False,
        )
    ).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True
    )
    rows = torch.from_numpy(tokens()).long()
    while True:
        loss = model(
            input_ids=rows[:, :-1], labels=rows[:, :-1], shift_labels=rows[:, 1:].contiguous()
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield loss.item()


def timed(take: Callable[[], float]) -> tuple[float, float]:
    """Seconds of a step, and its loss."""
    began = time.perf_counter()
    loss = take()
    return time.perf_counter() - began, loss


def main() -> None:
    """Medians of both, and the ratio of neighbouring steps with its quartiles."""
    mine, other = ours(), theirs()
    ratios, fast, slow = [], [], []
    for pair in range(WARM_UP + PAIRS):
        first, loss = timed(lambda: next(mine))
        second, their_loss = timed(lambda: next(other))
        print(f"{first:.3f} s ({loss:.3f})   {second:.3f} s ({their_loss:.3f})", flush=True)
        if pair >= WARM_UP:
            fast.append(first)
            slow.append(second)
            ratios.append(second / first)
    size = ROWS * CONTEXT
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"danlu         {size / statistics.median(fast):,.0f} tokens/s")
    print(f"transformers  {size / statistics.median(slow):,.0f} tokens/s")
    print(f"ratio         {middle:.2f} (quartiles {low:.2f} … {high:.2f}; {PAIRS} pairs)")


if __name__ == "__main__":
    main()
