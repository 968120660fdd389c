"""How well the step `language` tells languages apart, on short texts: a confusion table, and MB/s.

python benchmarks/language.py DATA

DATA is a folder with any of: tatoeba_en_zh/cmn.txt (pairs by line), tang_poetry/tang.jsonl.gz
(field `text`), xquad/xquad.{en,zh}.json, humaneval/data/HumanEval.jsonl.gz,
wikitext2_heldout/test.txt, gsm8k/test.jsonl, csl/benchmark/ts/test.tsv. What is absent is left out.
Python files are those of the running Python's library. Lines of the Tang poems are traditional; the
same lines converted by OpenCC (`pip install opencc`) are simplified, and those that the conversion
does not change are in neither row. Tatoeba's Chinese is labelled by what can be written in GB 2312
or Big5 alone (Python's codecs), as `common` where both can: that label owes nothing to OpenCC.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import re
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from danlu.data import rows
from danlu.data.settings import LANGUAGES, PrepareSettings
from danlu.data.sources import text
from danlu.data.steps import language
from danlu.types import Document

COLUMNS = ("zh-Hans", "zh-Hant", "en", "ja", "code")
TANG_POEMS = 10_000

CONTROLS = {
    "de": """Das Wetter ist heute schön.|Ich habe gestern meine Schwester besucht.
        Wo ist der Bahnhof?|Er trinkt jeden Morgen Kaffee.|Wir fahren im Sommer nach Italien.
        Die Kinder spielen im Garten.|Kannst du mir helfen?|Das Buch liegt auf dem Tisch.
        Sie arbeitet in einem Krankenhaus.|Morgen wird es regnen.|Ich verstehe dich nicht.
        Der Hund schläft unter dem Baum.|Wie viel kostet das?|Mein Vater kocht sehr gut.
        Guten Morgen!|Vielen Dank!|Es war einmal ein König.|Niemand wusste die Antwort.
        Die Straße ist nass.|Ohne Fleiß kein Preis.""",
    "fr": """Il fait beau aujourd'hui.|J'ai visité ma sœur hier.|Où est la gare ?
        Elle boit du café tous les matins.|Nous irons en Italie cet été.
        Les enfants jouent dans le jardin.|Peux-tu m'aider ?|Le livre est sur la table.
        Elle travaille dans un hôpital.|Il va pleuvoir demain.|Je ne te comprends pas.
        Le chien dort sous l'arbre.|Combien ça coûte ?|Mon père cuisine très bien.|Bonjour !
        Merci beaucoup !|Il était une fois un roi.|Personne ne savait la réponse.
        La rue est mouillée.|Qui vivra verra.""",
    "es": """Hoy hace buen tiempo.|Ayer visité a mi hermana.|¿Dónde está la estación?
        Bebe café todas las mañanas.|Este verano iremos a Italia.|Los niños juegan en el jardín.
        ¿Puedes ayudarme?|El libro está sobre la mesa.|Ella trabaja en un hospital.
        Mañana va a llover.|No te entiendo.|El perro duerme bajo el árbol.|¿Cuánto cuesta?
        Mi padre cocina muy bien.|¡Buenos días!|¡Muchas gracias!|Había una vez un rey.
        Nadie sabía la respuesta.|La calle está mojada.|Más vale tarde que nunca.""",
    "ja": """吾輩は猫である。|名前はまだ無い。|古池や蛙飛びこむ水の音|春はあけぼの。|また明日。
        今日は天気がいいですね。|東京へ行きます。|これは何ですか。|私は学生です。|電車が遅れています。
        ありがとうございます。|昨日、友達と映画を見ました。|国境の長いトンネルを抜けると雪国であった。
        すみません、駅はどこですか。|日本語を勉強しています。|カメラを買いたい。|猫が好き。
        雨が降りそうだ。|水を一杯ください。|彼女は医者になった。|山路を登りながら、こう考えた。
        親譲りの無鉄砲で小供の時から損ばかりしている。|メロスは激怒した。|恥の多い生涯を送って来ました。
        祇園精舎の鐘の声、諸行無常の響きあり。|月日は百代の過客にして、行きかふ年も又旅人也。
        コンピューターの電源を切る|会議は午後三時から。|新幹線で京都まで二時間半かかる。|入口は右側です
        ゆく河の流れは絶えずして、しかももとの水にあらず。|つれづれなるままに、日暮らし、硯に向かひて
        いづれの御時にか、女御、更衣あまたさぶらひ給ひける中に|やうやう白くなりゆく山ぎは
        夏草や兵どもが夢の跡|閑さや岩にしみ入る蝉の声|柿くへば鐘が鳴るなり法隆寺
        私はその人を常に先生と呼んでいた。|ある日の暮方の事である。|雨ニモマケズ|風ニモマケズ
        一人の下人が、羅生門の下で雨やみを待っていた。|智に働けば角が立つ。|情に棹させば流される。
        とかくに人の世は住みにくい。|荒海や佐渡によこたふ天の川|菜の花や月は東に日は西に
        学校は八時半に始まります。|財布を落としました。|窓を開けてもいいですか。|弟は三歳です。
        この本は面白い。|駅前に新しい店が出来た。|熱があるので休みます。|電話番号を教えてください。
        桜が満開です。|部屋を掃除した。|ラーメン二つ!|メールを送りました。|えっ、本当?|はい、そうです。
        東京駅発車時刻表|日本国憲法|売店営業時間変更""",
}
"""Sentences that were written for this, or are proverbs; Japanese also has first lines of books in
the public domain, and at the end three headings without kana, of which the second is in characters
that simplified and traditional Chinese could share out between them."""


def sentences(block: str) -> list[str]:
    """The sentences of a block."""
    return [part.strip() for part in re.split(r"[|\n]", block) if part.strip()]


def chinese_label(sentence: str) -> str:
    """By the national standards that can write the sentence."""
    simplified, traditional = (_can(sentence, codec) for codec in ("gb2312", "big5"))
    if simplified and traditional:
        return "common"
    return "zh-Hans" if simplified else "zh-Hant" if traditional else "neither"


def _can(sentence: str, codec: str) -> bool:
    han = "".join(c for c in sentence if "\u4e00" <= c <= "\u9fff")
    try:
        return bool(han.encode(codec)) or not han
    except UnicodeEncodeError:
        return False


def sets(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Name, what is right, and the texts of each set that is there."""
    yield from _pairs(data / "tatoeba_en_zh" / "cmn.txt")
    yield from _poems(data / "tang_poetry" / "tang.jsonl.gz")
    yield from _questions(data / "xquad")
    yield from _others(data)
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    parts = [part for path in library for part in text.cut([path.read_text(errors="replace")])]
    yield "Python library, cut to 2-6k", "code", parts
    for name, block in CONTROLS.items():
        yield f"sentences of {name}", name, sentences(block)


def _pairs(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    if not path.is_file():
        return
    lines = [line.split("\t") for line in path.read_text("utf-8-sig").splitlines() if "\t" in line]
    yield "Tatoeba en", "en", sorted({line[0] for line in lines})
    by_label: dict[str, list[str]] = {}
    for sentence in sorted({line[1] for line in lines}):
        by_label.setdefault(chinese_label(sentence), []).append(sentence)
    for label, found in sorted(by_label.items()):
        yield f"Tatoeba zh, {label}", label, found


def _poems(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    if not path.is_file():
        return
    with gzip.open(path, "rt", encoding="utf-8") as file:
        poems = [json.loads(line)["text"] for line in itertools.islice(file, TANG_POEMS)]
    lines = [line for poem in poems for line in poem.split("\n") if line.strip()]
    yield "Tang poems, whole", "zh-Hant", poems
    yield "Tang poems by line", "zh-Hant", lines
    try:
        import opencc
    except ImportError:
        return
    convert = opencc.OpenCC("t2s").convert
    both = [(line, convert(line)) for line in lines]
    yield "  … those that t2s changes", "zh-Hant", [a for a, b in both if a != b]
    yield "  … converted by t2s", "zh-Hans", [b for a, b in both if a != b]
    yield "  … not changed by t2s", "common", [a for a, b in both if a == b]


def _questions(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    for name, right in (("en", "en"), ("zh", "zh-Hans")):
        path = folder / f"xquad.{name}.json"
        if path.is_file():
            articles = json.loads(path.read_text("utf-8"))["data"]
            paragraphs = [p for article in articles for p in article["paragraphs"]]
            yield f"XQuAD {name} contexts", right, [p["context"] for p in paragraphs]
            asked = [qa["question"] for p in paragraphs for qa in p["qas"]]
            yield f"XQuAD {name} questions", right, asked


def _others(data: Path) -> Iterator[tuple[str, str, list[str]]]:
    if (path := data / "humaneval" / "data" / "HumanEval.jsonl.gz").is_file():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            problems = [json.loads(line) for line in file]
        yield "HumanEval prompts", "code", [p["prompt"] for p in problems]
        yield "HumanEval solutions", "code", [p["canonical_solution"] for p in problems]
        whole = [p["prompt"] + p["canonical_solution"] for p in problems]
        yield "HumanEval whole", "code", whole
    if (path := data / "wikitext2_heldout" / "test.txt").is_file():
        prose = path.read_text("utf-8")
        yield "WikiText-2, cut to 2-6k", "en", list(text.cut([prose]))
        yield "WikiText-2 by line", "en", [line for line in prose.split("\n") if line.strip()]
    if (path := data / "gsm8k" / "test.jsonl").is_file():
        items = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        yield "GSM8K with answers", "en", [f"{i['question']}\n{i['answer']}" for i in items]
    if (path := data / "csl" / "benchmark" / "ts" / "test.tsv").is_file():
        lines = path.read_text("utf-8").splitlines()
        yield "CSL abstracts", "zh-Hans", [line.split("\t")[1] for line in lines]


def main() -> None:
    """A line a set: how many texts got which language, and the CPU's MB/s over the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--wrong", type=int, default=0, help="show so many wrong ones of a set")
    arguments = parser.parse_args()
    head = (f"{column:>8}" for column in (*COLUMNS, "others", "right", "MB/s"))
    print(f"{'':<30}{'texts':>7}", *head)
    for name, right, texts in sets(arguments.data):
        batches = list(rows.batches(Document(t, str(n), {}) for n, t in enumerate(texts)))
        step = language.build(PrepareSettings())
        began = time.process_time()
        found = [lang for b in step(iter(batches)) for lang in b.column("lang").to_pylist()]
        rate = sum(len(t.encode()) for t in texts) / 1e6 / (time.process_time() - began + 1e-9)
        counts = Counter(found)
        others = ", ".join(f"{k} {n}" for k, n in counts.most_common() if k not in COLUMNS)
        share = f"{counts[right] / len(texts):8.2%}" if right in LANGUAGES else f"{'-':>8}"
        print(f"{name:<30}{len(texts):>7}", *(f"{counts[c] or '·':>8}" for c in COLUMNS), end=" ")
        print(f"{sum(n for k, n in counts.items() if k not in COLUMNS) or '·':>8}", share, end=" ")
        print(f"{rate:8.1f}  {others}")
        wrong = [(lang, t) for lang, t in zip(found, texts, strict=True) if lang != right]
        for lang, sentence in wrong[: arguments.wrong]:
            print(f"      {lang}: {sentence[:90]!r}")


if __name__ == "__main__":
    main()
