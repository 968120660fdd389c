"""How tokens are spelled where white space may not stand: in a file of vectors."""

from __future__ import annotations

from danlu.tokenizer import Tokenizer
from danlu.tokenizer.bytelevel import spelled_bytes


def spellings(tokenizer: Tokenizer) -> tuple[str, ...]:
    """[V] a different spelling for each token, in the order of their ids.

    The bytes of a token in GPT-2's printable alphabet (`Ġmoon` for ` moon`), a special token as it
    is; one without either, or with another's spelling, by its number.
    """
    special = {number: text for text, number in tokenizer.special.items()}
    taken: dict[str, int] = {}
    for token in range(tokenizer.vocab_size):
        spelling = special.get(token) or spelled_bytes(tokenizer.token_bytes(token))
        if not spelling or spelling in taken or spelling.split() != [spelling]:
            spelling = f"<{token}>"
        taken[spelling] = token
    return tuple(taken)
