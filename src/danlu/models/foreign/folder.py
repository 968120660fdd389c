"""Model folders of other families: to transformers and back.

transformers builds the model and knows how its tensors are spelt in files; the files are read and
written here, as strictly as for our own models. It is given tensors, never the folder: nothing in
there is looked for, fetched or run.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu import log
from danlu.errors import ModelError
from danlu.models.foreign import library
from danlu.models.foreign.config import ForeignConfig, Json, built
from danlu.models.foreign.model import Foreign
from danlu.models.foreign.probe import probe
from danlu.models.weights import Reader

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def load(
    config: ForeignConfig,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> Foreign:
    """The model of a folder, ready to be called.

    Args:
        config: of the folder.
        folder: holds *.safetensors.
        device: where the weights go.
        dtype: None keeps float32.

    Raises:
        ModelError: weights are missing, damaged or of another model, or the model cannot be used.
    """
    with Reader(folder) as reader:
        body = _filled(config, reader, folder, dtype or torch.float32)
    version = library.load(config.model_type).__version__
    log.say(f"{config.model_type}: computed by transformers {version}")
    return probe(Foreign(body.to(device), config))


def fill(model: Foreign, reader: Reader, *, folder: Path) -> None:
    """Copy a checkpoint's tensors into a model.

    Raises:
        ModelError: see `load`.
    """
    body = _filled(model.config, reader, folder, model.embed.weight.dtype)
    model.body.load_state_dict(body.state_dict())


def tensors(model: Foreign) -> dict[str, Tensor]:
    """The weights under the names that transformers gives them in files; tied ones once."""
    from transformers.core_model_loading import revert_weight_conversion

    body: Any = model.body
    again = set(getattr(body, "all_tied_weights_keys", None) or {})
    unsaved = set(getattr(body, "_keys_to_ignore_on_save", None) or ())
    state = body.state_dict()
    kept: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name in sorted(state, key=lambda name: name in again):  # the first names first
        tensor = state[name]
        if name in unsaved or (tensor.data_ptr(), tensor.shape) in seen:
            continue
        seen.add((tensor.data_ptr(), tensor.shape))
        kept[name] = tensor
    written: dict[str, Tensor] = revert_weight_conversion(body, kept)
    return {name: tensor.contiguous() for name, tensor in written.items()}


def model_json(model: Foreign) -> Json:
    """config.json: as it was read, with the class and the number format of now."""
    name = str(model.embed.weight.dtype).removeprefix("torch.")
    architecture = type(model.body).__name__
    return {
        **model.config.theirs,
        "architectures": [architecture],
        "dtype": name,
        "torch_dtype": name,
    }


def parameters(config: ForeignConfig) -> int:
    """Number of weights; a tied head counts once. The model is built without memory."""
    made, cls = built(config.theirs)
    with torch.device("meta"):
        return sum(p.numel() for p in cls(made).parameters())


def _filled(config: ForeignConfig, reader: Reader, folder: Path, dtype: torch.dtype) -> Any:
    """Their model, with every weight from the file."""
    made, cls = built(config.theirs)
    given = _given(config, reader, folder)
    try:
        body, info = cls.from_pretrained(
            None, config=made, state_dict=given, dtype=dtype, output_loading_info=True
        )
    except library.FAILURES as error:
        why = " ".join(str(error).split())
        raise ModelError(f"the tensors of {folder} do not fit its config.json", got=why) from None
    parts = [("missing", "missing_keys"), ("unknown to the model", "unexpected_keys")]
    parts += [("of another shape", "mismatched_keys"), ("unreadable", "error_msgs")]
    got = [
        f"{len(info[key])} {what}: {', '.join(sorted(map(str, info[key]))[:3])}"
        for what, key in parts
        if info.get(key)
    ]
    if got:
        raise ModelError(f"the tensors of {folder} do not fit its config.json", got="; ".join(got))
    _check_tied(body)
    return body


def _given(config: ForeignConfig, reader: Reader, folder: Path) -> dict[str, Tensor]:
    """The tensors of a file, each looked at."""
    names = reader.keys()
    have = sum(math.prod(reader.shape(name)) for name in names)
    need = parameters(config)
    if have < need:  # before memory is taken for what is missing
        raise ModelError(
            f"the tensors of {folder} do not fit its config.json",
            got=f"{have:,} numbers",
            expected=f"{need:,}",
        )
    given = {}
    for name in names:
        tensor = reader.tensor(name)
        if tensor.dtype in FLOATS:
            if not torch.isfinite(tensor).all():
                raise ModelError(
                    f"tensor {name} holds infinities or NaN", fix="take an earlier checkpoint"
                )
        elif name.endswith(".weight") or tensor.dtype.is_floating_point:
            raise ModelError(
                f"tensor {name} holds numbers of an unexpected kind",
                got=str(tensor.dtype).removeprefix("torch."),
                expected="float32, bfloat16 or float16: a checkpoint that is not quantised",
            )
        given[name] = tensor
    return given


def _check_tied(body: Any) -> None:
    """See that a head that config.json calls tied is: transformers unties with a log line."""
    head, embed = body.get_output_embeddings(), body.get_input_embeddings()
    tied = getattr(body.config, "tie_word_embeddings", False)
    if tied and head is not None and getattr(head, "weight", None) is not embed.weight:
        raise ModelError(
            "the head is not what config.json says",
            fix="tied, it must be the embedding: if it is another head on purpose, "
            "set tie_word_embeddings to false in config.json",
        )
