"""Every family of models against transformers on random weights, both ways: a table.

python benchmarks/families.py [--keep FOLDER]     measures, and keeps the models that Danlu saved
python benchmarks/families.py --open FOLDER       opens these in the transformers installed here

For each case of tests/models/family_examples.py, every tensor random: the largest difference of a
logit in float32 and, with both sides' casts to float32 widened, in float64; what Danlu saves of it
has the same tensors, bit for bit, and opened in transformers gives the same logits; and theirs →
ours → theirs → ours ends where it began. `--open` shows that another version reads these folders.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))

import test_families as families
from family_examples import CASES
from model_examples import difference, tokenizer

HEAD = "| case | family | float32 | float64 | tensors | opened there | there and back |"


def made(name: str, folder: Path) -> Any:
    """Their model, saved by them."""
    import transformers

    kind, knobs = CASES[name]
    config = transformers.AutoConfig.for_model(kind, **knobs)
    model = families.auto(kind).from_config(config, attn_implementation=families.attention(kind))
    model = families.randomise(model).eval()
    if "untied" in name:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(families.V, 64) * 0.3)
        model.config.scale_decoder_outputs = False
    model.save_pretrained(folder)
    return model


def wide(name: str, model: Any) -> float:
    """The largest difference in float64."""
    from danlu.models import hub

    kind, path = CASES[name][0], model.name_or_path
    experts = {"experts_implementation": "eager"} if kind in ("mixtral", "qwen3_moe") else {}
    with families.no_float32():
        own = families.auto(kind).from_config(
            model.config, attn_implementation=families.attention(kind), **experts
        )
        own = own.double().eval()
        if "untied" in name:
            own.lm_head.weight = torch.nn.Parameter(own.lm_head.weight.detach().clone())
        own.load_state_dict(model.state_dict())
        ours = hub.load_model(Path(path), dtype=torch.float64).eval()
        return difference(families.our_logits(ours, kind), families.their_logits(own, kind))


def measure(name: str, folder: Path) -> str:
    from danlu.models import hub, spelling

    kind, theirs, saved, back = CASES[name][0], folder / "theirs", folder / "ours", folder / "back"
    model = made(name, theirs)
    model.name_or_path = str(theirs)
    want = families.their_logits(model, kind)
    ours = hub.load_model(theirs).eval()
    mine = families.our_logits(ours, kind)
    hub.save(saved, ours, tokenizer())
    save_file({"logits": mine}, folder / "logits.safetensors")
    again, problems = opened(saved, kind)
    again.save_pretrained(back)
    before, after = (load_file(f / "model.safetensors") for f in (theirs, saved))
    spare = {*spelling.find(kind).copies, *spelling.find(kind).zeros}
    same = before.keys() - spare == after.keys() - spare
    same = same and all(torch.equal(before[key], value) for key, value in after.items())
    cells = [
        shown(difference(mine, want)),
        shown(wide(name, model)),
        "equal" if same and not problems else "DIFFER",
        shown(difference(families.their_logits(again, kind), want)),
        shown(difference(families.our_logits(hub.load_model(back).eval(), kind), mine)),
    ]
    return f"| {name} | {kind} | " + " | ".join(cells) + " |"


def shown(number: float) -> str:
    return f"{number:.0e}".replace("e-0", "e-") if number else "0"


def opened(folder: Path, kind: str) -> tuple[Any, bool]:
    """A folder as transformers opens it, and whether tensors were missing or too many."""
    model, report = families.auto(kind).from_pretrained(
        folder, attn_implementation=families.attention(kind), output_loading_info=True
    )
    return model.eval(), any(report.values())


def reopen(folder: Path) -> None:
    print("| case | largest difference of a logit |\n| --- | --- |")
    for name, (kind, _) in CASES.items():
        at = folder / name.replace(" ", "_").replace("/", "_")
        model, problems = opened(at / "ours", kind)
        logits = families.their_logits(model, kind)
        gap = difference(logits, load_file(at / "logits.safetensors")["logits"])
        print(f"| {name} | {shown(gap)}{', TENSORS DIFFER' if problems else ''} |", flush=True)


def main() -> None:
    import transformers

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--open", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}\n")
    if options.open:
        return reopen(options.open)
    folder = options.keep or Path(tempfile.mkdtemp())
    print(HEAD + "\n" + "| --- " * HEAD.count(" | ") + "| --- |")
    for name in CASES:
        place = folder / name.replace(" ", "_").replace("/", "_")
        place.mkdir(parents=True)
        print(measure(name, place), flush=True)
    if not options.keep:
        shutil.rmtree(folder)
    return None


if __name__ == "__main__":
    main()
