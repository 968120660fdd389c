"""What a tokenizer makes of a text: how many bytes a token holds, and examples to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from danlu.tokenizer.tokenizer import Tokenizer

EXAMPLE_CHARACTERS = 200


def stats(tokenizer: Tokenizer, texts: Sequence[str], *, examples: int = 3) -> dict[str, Any]:
    """Figures over texts that the tokenizer was not trained on.

    Returns:
        `vocab_size`, `bytes_per_token`, `tokens_used` (different tokens in the texts) and
        `examples`: the first characters of some texts, cut into pieces.
    """
    encoded = tokenizer.encode_batch(texts)
    count = sum(map(len, encoded))
    size = sum(len(text.encode()) for text in texts)
    shown = [text[:EXAMPLE_CHARACTERS] for text in texts[:examples]]
    return {
        "vocab_size": tokenizer.vocab_size,
        "bytes_per_token": size / max(count, 1),
        "tokens_used": len({token for ids in encoded for token in ids}),
        "examples": [{"text": text, "pieces": pieces(tokenizer, text)} for text in shown],
    }


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    """A text cut where its tokens end; tokens that end inside a character stay together.

    Joined, the pieces are the text.
    """
    result, pending = [], b""
    for token in tokenizer.encode(text):
        pending += tokenizer.token_bytes(token)
        try:
            result.append(pending.decode())
        except UnicodeDecodeError:
            continue
        pending = b""
    return result
