"""Model folders as Hugging Face writes them: to ours and back.

Loading is strict: every tensor of the file is used or known to hold nothing, every parameter is
filled, every shape agrees. Saving goes through the tables in `models/families/`; nothing of
transformers is used, because its version 5 writes tokenizer classes that version 4 refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu import files
from danlu.errors import ModelError
from danlu.models import family as families
from danlu.models import weights
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer, parameters, sinusoids
from danlu.tokenizer import Tokenizer


@dataclass(frozen=True)
class Loaded:
    """A model folder, opened."""

    model: Transformer
    tokenizer: Tokenizer
    folder: Path


def load(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Loaded:
    """The model and tokenizer of a folder: a run of Danlu or a Hugging Face checkpoint.

    Args:
        folder: holds config.json, *.safetensors and tokenizer.json.
        device: where the weights go.
        dtype: None keeps float32.

    Raises:
        ModelError: something is missing, damaged or unknown; the message says what.
    """
    if not folder.is_dir():
        raise ModelError(f"no model folder {folder}", expected="a folder with config.json")
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is no model folder",
            got="no config.json",
            expected="a run folder such as runs/demo/base, or a Hugging Face checkpoint",
        )
    tokenizer = Tokenizer.load(folder)
    model = load_model(folder, device=device, dtype=dtype)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ModelError(
            f"tokenizer and model of {folder} disagree",
            got=f"{tokenizer.vocab_size} tokens, {model.config.vocab_size} rows of the embedding",
        )
    return Loaded(model.eval(), tokenizer, folder)


def load_model(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Transformer:
    """Only the model of a folder; see `load`."""
    config = families.read_config(files.read_json(folder / "config.json"))
    with torch.device("meta"):
        model = Transformer(config)
    model = model.to_empty(device=device).to(dtype or torch.float32)
    if config.tied:
        model.head.weight = model.embed.weight
    with weights.Reader(folder) as reader:
        fill(model, reader, folder=folder)
    return model


@torch.no_grad()
def fill(model: Transformer, reader: weights.Reader, *, folder: Path) -> None:
    """Copy a checkpoint's tensors into a model, one at a time.

    Raises:
        ModelError: a tensor is missing, left over, or of another shape.
    """
    c = model.config
    family = families.find(c.model_type)
    mine, theirs = parameters(model), set(reader.keys())
    empty = set(mine)
    for row in families.rows(family, c.n_layers, set(mine)):
        name = row.theirs if row.theirs in theirs else row.theirs.removeprefix(family.prefix)
        if name not in theirs:
            raise ModelError(f"{folder} lacks the tensor {row.theirs}")
        parts = [mine[ours] for ours in row.ours]
        _copy(reader, name, parts, transposed=row.layout == "T")
        theirs.discard(name)
        empty -= set(row.ours)
    known = family.ignore + (r"|lm_head\.weight$" if c.tied else "")
    if c.position == "sinusoidal":
        known += r"|wpe\.weight$"
    spare = sorted(name for name in theirs if not re.search(known, name))
    if empty or spare:
        raise ModelError(
            f"{folder} does not fit its config",
            got=f"not in the checkpoint: {sorted(empty)[:5]}; not in the model: {spare[:5]}",
        )


def _copy(reader: weights.Reader, name: str, parts: list[Tensor], *, transposed: bool) -> None:
    tensor = reader.tensor(name)
    if transposed and tensor.ndim == 2:
        tensor = tensor.T
    rows = [len(part) for part in parts]
    want = (sum(rows), *parts[0].shape[1:])
    if tuple(tensor.shape) != want:
        raise ModelError(
            f"tensor {name} has the wrong shape", got=tuple(tensor.shape), expected=str(want)
        )
    if not torch.isfinite(tensor).all():
        raise ModelError(f"tensor {name} holds infinities or NaN", fix="take an earlier checkpoint")
    for part, piece in zip(parts, tensor.split(rows), strict=True):
        part.copy_(piece)


def tensors(model: Transformer) -> dict[str, Tensor]:
    """The weights under Hugging Face's names; a tied head is not written twice."""
    c = model.config
    family, mine = families.find(c.model_type), parameters(model)
    out = {}
    for row in families.rows(family, c.n_layers, set(mine)):
        tensor = torch.cat([mine[name].detach() for name in row.ours])
        out[row.theirs] = (
            tensor.T if row.layout == "T" and tensor.ndim == 2 else tensor
        ).contiguous()
    if c.position == "sinusoidal" and "position" in family.names:
        table = sinusoids(torch.arange(c.max_len), c.d_model)
        out[family.names["position"] + ".weight"] = table.to(mine["embed.weight"].dtype)
    return out


def model_files(model: Transformer, tokenizer: Tokenizer) -> dict[str, bytes]:
    """The files of a model folder that stay the same during a run: all but the weights."""
    config = model_json(model.config, model.embed.weight.dtype, tokenizer)
    return {
        "config.json": files.json_bytes(config),
        "generation_config.json": files.json_bytes(
            {
                "bos_token_id": tokenizer.bos_id,
                "eos_token_id": tokenizer.eos_ids,
                "pad_token_id": tokenizer.pad_id,
                "do_sample": True,
                "temperature": 0.8,
                "top_p": 0.95,
            }
        ),
        **tokenizer.contents,
    }


def model_json(config: ModelConfig, dtype: torch.dtype, tokenizer: Tokenizer) -> dict[str, Any]:
    """config.json for Hugging Face's readers."""
    name = str(dtype).removeprefix("torch.")
    return families.write_config(config) | {
        "dtype": name,
        "torch_dtype": name,  # transformers 4
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_ids[0],
        "pad_token_id": tokenizer.pad_id,
        "use_cache": True,
    }


def weight_bytes(model: Transformer) -> weights.Dump:
    """The weights as a safetensors file, in pieces for `Disk.write`."""
    return weights.dump(on_cpu(tensors(model)))


def save(folder: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    """Write a model folder that transformers, vLLM and Danlu open.

    Raises:
        ModelError: the family cannot say all that this model is.
        ResourceError: the disk is full or not writable.
    """
    for name, data in model_files(model, tokenizer).items():
        files.write_atomic(folder / name, data)
    disk, new = files.Disk(), files.temporary(folder / "model.safetensors")
    disk.unlink(new)
    disk.write(new, weight_bytes(model))
    disk.rename(new, folder / "model.safetensors")
    disk.fsync_dir(folder)


def on_cpu(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors where they can be written from."""
    return {name: tensor.cpu() for name, tensor in named.items()}
