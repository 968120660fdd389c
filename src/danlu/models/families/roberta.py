"""RoBERTa: BERT whose positions begin behind the padding's number (Liu 2019)."""

from __future__ import annotations

from typing import Any

from danlu.models.config import ModelConfig
from danlu.models.families import bert
from danlu.models.family import ACTIVATIONS, Family


def _more(theirs: dict[str, Any]) -> dict[str, Any]:
    first = theirs["pad_token_id"] + 1
    return {"first_position": first, "max_len": theirs["max_position_embeddings"] - first}


def _back(ours: ModelConfig) -> dict[str, Any]:
    return {
        "pad_token_id": ours.first_position - 1,
        "max_position_embeddings": ours.max_len + ours.first_position,
    }


FAMILY = Family(
    architecture="RobertaForMaskedLM",
    names={ours: theirs.replace("bert.e", "roberta.e") for ours, theirs in bert.NAMES.items()}
    | {"head.{dense,norm}": "lm_head.{dense,layer_norm}", "head": "lm_head"},
    keys=bert.KEYS,
    fixed=bert.ENCODER,
    defaults=bert.DEFAULTS | {"pad_token_id": 1, "type_vocab_size": 2},
    must={"tie_word_embeddings": (None, True), "is_decoder": (None, False)},
    values={"hidden_act": ACTIVATIONS},
    more=_more,
    back=_back,
    copies={"lm_head.decoder.weight": "embed.weight", "lm_head.decoder.bias": "head.bias"},
    ignore=bert.IGNORE,
    prefix="roberta.",
)
