"""Text made equal where it looks equal: accents, spaces, line ends and invisible characters in one form."""

from __future__ import annotations

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Points, but for joiners and variation selectors: emoji, Persian and the scripts of
# India need those to look right.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
JOINERS = "\u200c\u200d"
SELECTORS = "\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800]")  # the last is Braille without a dot
LOOSE_JOINERS = re.compile(rf"(?<!\S)[{JOINERS}]+|[{JOINERS}]+(?!\S)")
JOINERS_AND_SELECTORS = re.compile(f"[{JOINERS}{SELECTORS}]")
# What programs write for an apostrophe or a hyphen when they correct as one types.
PLAIN_MARKS = str.maketrans("’‘ʼ′‐‑‒–—−", "''''------")


def clean_text(text: str) -> str:
    r"""The text in Unicode's composed form (NFC), with `\n` at line ends and plain spaces, none of them around it.

    Invisible formatting characters go, also joiners that stand beside no letter. Control characters stay.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = SPACES.sub(" ", INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFC", LOOSE_JOINERS.sub("", text))
    return text.strip()


def comparison_key(text: str) -> str:
    """What two texts have in common that a reader takes for the same: case, joiners, amount of space do not count.

    Empty where there is nothing to see.
    """
    folded = unicodedata.normalize("NFD", clean_text(text)).casefold()
    folded = unicodedata.normalize("NFC", JOINERS_AND_SELECTORS.sub("", folded))
    return " ".join(folded.translate(PLAIN_MARKS).split())


def identifier(text: str) -> str:
    """The text as a name in code: "Meetings-Today " is `meetings_today`."""
    return re.sub(r"[\s_-]+", "_", comparison_key(text)).strip("_")


def listed(words: list[str]) -> str:
    """Words as English lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
