"""What `evaluate` measures: text beside n-gram baselines, answers beside trivial ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from danlu import log
from danlu.commands import _chats as chat_stages
from danlu.data import chats as chat_data
from danlu.data import pairs as pairs_data
from danlu.data.chats import Chat
from danlu.data.corpus import Corpus
from danlu.data.shards import tokenize
from danlu.evaluate import answers as scoring
from danlu.evaluate.baselines import baselines, verdict
from danlu.evaluate.perplexity import Perplexity

if TYPE_CHECKING:
    from danlu.models.hub import Loaded

HIDDEN = ("baselines", "answers", "examples", "made_from")
EXAMPLES = 12
"""Questions that are shown with all answers."""


def run_text(run: Path, loaded: Loaded, *, stride: int = 0) -> dict[str, Any]:
    """A pretrained run on all its held-out text, beside baselines on the same tokens."""
    corpus: Corpus = chat_stages.corpus_of(run)
    shards = tokenize(corpus, loaded.tokenizer)
    held_out, size = shards.tokens("held_out"), shards.text_bytes("held_out")
    log.say(f"evaluating on {len(held_out):,} held-out tokens")
    found = Perplexity(held_out, text_bytes=size, stride=stride or None)(loaded.model)
    log.say("counting n-grams of the training text, to compare with")
    rows = baselines(
        shards.tokens("train"),
        held_out,
        vocab_size=loaded.tokenizer.vocab_size,
        held_out_bytes=size,
    )
    sentences = {"en": verdict(found, rows, lang="en"), "zh": verdict(found, rows, lang="zh")}
    names = ("name", "loss", "bits_per_byte", "perplexity", "accuracy")
    table = [{name: getattr(row, name) for name in names} for row in rows]
    return {**found, "verdict": sentences, "baselines": table}


def texts(texts: Sequence[str], loaded: Loaded, *, stride: int = 0) -> dict[str, Any]:
    """Any documents, each on its own."""
    bos = loaded.tokenizer.bos_id
    streams = [
        np.asarray([bos, *ids, bos], np.int64) for ids in loaded.tokenizer.encode_batch(texts)
    ]
    size = sum(len(text.encode()) for text in texts)
    found = Perplexity(streams, text_bytes=size, stride=stride or None)(loaded.model)
    return {**found, "documents": len(streams)}


def run_chat(run: Path, settings: dict[str, Any], loaded: Loaded, *, most: int) -> dict[str, Any]:
    """A fine-tuned run on its held-out questions: before, after, and a trivial baseline."""
    from danlu.models import hub

    data = settings.get("data") or {}
    folder = run.parent / "chats"
    train_file = Path(data.get("train") or folder / pairs_data.NAMES["train"])
    held_file = Path(data.get("held_out") or folder / pairs_data.NAMES["held_out"])
    held = chat_data.read(held_file)[:most]
    base = hub.load(Path(settings["base"]), device=loaded.model.embed.weight.device)
    log.say(f"answering {len(held)} held-out questions, before and after")
    before, after = answered(base, held), answered(loaded, held)
    pairs = chat_data.pairs(held)
    trivial = scoring.best_baseline(chat_data.pairs(chat_data.read(train_file)), pairs)
    result: dict[str, Any] = {
        "answers": {
            "before": before[1],
            "after": after[1],
            "baseline": {"name": trivial.name, **trivial.scores},
            "n": len(held),
        },
        "examples": [
            {"question": q, "reference": r, "before": b, "after": a}
            for (q, r), b, a in list(zip(pairs, before[0], after[0], strict=True))[:EXAMPLES]
        ],
    }
    result["verdict"] = answers_verdict(result["answers"])
    return result


def answered(loaded: Loaded, chats: Sequence[Chat]) -> tuple[list[str], dict[str, float]]:
    """Answers, and their scores against the references."""
    found = chat_stages.answers(loaded.model, loaded, chats)
    return found, scoring.score(found, [answer for _, answer in chat_data.pairs(chats)])


def answers_verdict(scores: dict[str, Any]) -> dict[str, str]:
    """One sentence on the answers, in English and Chinese."""
    before, after, trivial = (scores[key]["token_f1"] for key in ("before", "after", "baseline"))
    name = scores["baseline"]["name"]
    better = after > trivial
    return {
        "en": f"Token F1 {before:.3f} before, {after:.3f} after fine-tuning; "
        f"{'better' if better else 'not better'} than the trivial way ({name}: {trivial:.3f}).",
        "zh": f"词 F1：微调前 {before:.3f}，微调后 {after:.3f}；"
        f"{'优于' if better else '不优于'}简单办法（{name}：{trivial:.3f}）。",
    }


def readable(result: dict[str, Any]) -> dict[str, Any]:
    """The result as the terminal shows it: figures, tables, the verdict."""
    tables: dict[str, Any] = {}
    shown = {k: v for k, v in result.items() if k not in HIDDEN}
    if rows := result.get("baselines"):
        own = {k: result[k] for k in ("loss", "bits_per_byte", "perplexity", "accuracy")}
        tables["on the same held-out tokens"] = [*rows, {"name": "this model", **own}]
    if scores := result.get("answers"):
        tables[f"answers to {scores['n']} held-out questions"] = [
            {"": key, **{k: v for k, v in scores[key].items() if k != "name"}}
            for key in ("baseline", "before", "after")
            if key in scores
        ]
    if isinstance(shown.get("verdict"), dict):
        shown["verdict"] = shown["verdict"]["en"]
    return {**shown, "tables": tables}
