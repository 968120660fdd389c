"""Derive `src/danlu/data/han_scripts.py` from the dictionaries of OpenCC.

python tools/han_scripts.py        needs `pip install opencc`; prints the module
"""

import os
import subprocess
import tempfile

import opencc

WIDTH = 46  # characters a line; ruff counts each as two columns

HEAD = '''"""Characters that are only written in simplified, traditional or Japanese text.

Derived from the character dictionaries of OpenCC {version} (Apache-2.0) by
`tools/han_scripts.py`; only the Basic Multilingual Plane. A character that stands in both scripts
(后 is an empress in both, and "behind" in one) is in neither set, and a simplified form that is
also usual in Taiwan or Hong Kong (床, 群) is not in SIMPLIFIED.
"""'''


def dictionary(name):
    """One of OpenCC's dictionaries: characters to the characters that they may become."""
    lib = os.path.join(os.path.dirname(opencc.__file__), "clib")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.txt")
        source = os.path.join(lib, "share", "opencc", name + ".ocd2")
        tool = os.path.join(lib, "bin", "opencc_dict")
        command = [tool, "-i", source, "-o", out, "-f", "ocd2", "-t", "text"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
    return {key: values.split(" ") for key, values in rows}


def can(character, codec):
    """Whether a legacy encoding has a character."""
    try:
        return bool(character.encode(codec))
    except UnicodeEncodeError:
        return False


def derive():
    """The three sets, each sorted."""
    to_traditional = dictionary("STCharacters")
    to_simplified = {**dictionary("TSCharactersExt"), **dictionary("TSCharacters")}
    regional = {**dictionary("TWVariants"), **dictionary("HKVariants")}
    variants = {v for vs in regional.values() for v in vs}
    simplified = {s for s, ts in to_traditional.items() if s not in ts} - variants
    traditional = {t for t, ss in to_simplified.items() if t not in ss}
    # GB 2312 has a few of them next to their simplified forms: they are in use in China too.
    traditional -= {t for t in traditional if can(t, "gb2312") and t != "後"}
    both = simplified & traditional
    simplified, traditional = simplified - both, traditional - both
    japanese = {
        j
        for j in dictionary("JPShinjitaiCharacters")
        if not can(j, "gb2312") and not can(j, "big5") and j not in to_simplified
    }
    japanese -= simplified | traditional | both
    sets = {"SIMPLIFIED": simplified, "TRADITIONAL": traditional, "JAPANESE": japanese}
    return {name: sorted(c for c in chars if ord(c) < 0x10000) for name, chars in sets.items()}


def main():
    """Print the module."""
    print(HEAD.format(version=opencc.__version__))
    for name, characters in derive().items():
        lines = [characters[at : at + WIDTH] for at in range(0, len(characters), WIDTH)]
        print("\n%s = (" % name)
        for line in lines:
            print('    "%s"' % "".join(line))
        print(")")


if __name__ == "__main__":
    main()
