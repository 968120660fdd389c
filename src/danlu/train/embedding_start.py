"""Start a model's embedding from static vectors of its own tokens, instead of at random.

The rows that `danlu embed --units tokens` learned are brought to the mean 0 and the standard
deviation that the model's own would have had, so that only their directions count; tokens that did
not occur keep the model's. Whether it helps is measured in docs/embeddings.md.
"""

from __future__ import annotations

from pathlib import Path

import torch

from danlu.embeddings import vectors
from danlu.errors import ConfigError, DataError
from danlu.models.transformer import Transformer
from danlu.tokenizer import Tokenizer


def check(folder: Path, tokenizer: Tokenizer, *, width: int) -> None:
    """See that vectors fit a tokenizer and a model; reads only their record.

    Raises:
        DataError: there are no vectors.
        ConfigError: they are of words, of another tokenizer, or of another width.
    """
    record = vectors.record_of(folder)
    if record is None:
        raise DataError(
            f"there are no vectors in {folder}",
            fix=f"danlu embed CORPUS --units tokens --tokenizer T --out {folder}",
        )
    if record.get("tokenizer_sha256") != tokenizer.sha256:
        raise ConfigError(
            "these vectors are not of the model's tokens",
            got=f"{folder}: {record.get('units')} of "
            + str(record.get("tokenizer_sha256", "no tokenizer"))[:12],
            expected=f"tokens of the tokenizer {tokenizer.sha256[:12]}",
            fix="danlu embed CORPUS --units tokens --tokenizer T, with the run's tokenizer",
        )
    if record.get("width") != width:
        raise ConfigError(
            "these vectors have another width than the model",
            got=f"{folder}: {record.get('width')}, model.d_model: {width}",
            fix=f"--model.d-model {record.get('width')}, or danlu embed … --width {width}",
        )


@torch.no_grad()
def start(model: Transformer, folder: Path, tokenizer: Tokenizer) -> int:
    """Copy the vectors into a new model's embedding; returns how many rows.

    Raises:
        DataError: the vectors are missing or damaged.
        ConfigError: they do not fit, see `check`.
    """
    check(folder, tokenizer, width=model.config.d_model)
    found = vectors.load(folder)
    record = vectors.record_of(folder) or {}
    if len(found.words) != tokenizer.vocab_size:
        raise DataError(
            f"{folder} is damaged",
            got=f"{len(found.words)} vectors",
            expected=f"{tokenizer.vocab_size}, one a token",
            fix="danlu embed …, with another --out",
        )
    seen = torch.ones(len(found.words), dtype=torch.bool)
    seen[torch.tensor(record.get("unseen", []), dtype=torch.long)] = False
    rows = torch.from_numpy(found.matrix)[seen]
    weight = model.embed.weight
    std = float(weight.std())
    rows = rows - rows.mean(0)
    rows *= std / rows.std().clamp(min=1e-12)
    weight[seen.nonzero().flatten().to(weight.device)] = rows.to(weight)
    return len(rows)
