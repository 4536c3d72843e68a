"""Normalizes text that looks equal to equal strings: accents, spaces, line ends and invisible characters."""

from __future__ import annotations

import re
import unicodedata

# Unicode's Default_Ignorable_Code_Points without joiners and variation selectors, which emoji, Persian and the scripts
# of India need.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
JOINERS = "\u200c\u200d"
SELECTORS = "\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800]")  # the last is Braille without a dot
LOOSE_JOINERS = re.compile(rf"(?<!\S)[{JOINERS}]+|[{JOINERS}]+(?!\S)")
JOINERS_AND_SELECTORS = re.compile(f"[{JOINERS}{SELECTORS}]")
# Characters that autocorrection writes for an apostrophe or a hyphen.
PLAIN_MARKS = str.maketrans("’‘ʼ′‐‑‒–—−", "''''------")


def clean_text(text: str) -> str:
    r"""The text in Unicode's composed form (NFC), stripped, with `\n` as line end and plain spaces.

    Removes invisible formatting characters and joiners without a letter beside them. Keeps control characters.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = SPACES.sub(" ", INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFC", LOOSE_JOINERS.sub("", text))
    return text.strip()


def comparison_key(text: str) -> str:
    """A key that is equal for two texts that look the same to a reader. Ignores case, joiners and amount of space.

    Empty if the text has no visible character.
    """
    folded = unicodedata.normalize("NFD", clean_text(text)).casefold()
    folded = unicodedata.normalize("NFC", JOINERS_AND_SELECTORS.sub("", folded))
    return " ".join(folded.translate(PLAIN_MARKS).split())


def identifier(text: str) -> str:
    """The text as an identifier: "Meetings-Today " becomes `meetings_today`."""
    return re.sub(r"[\s_-]+", "_", comparison_key(text)).strip("_")


def listed(words: list[str]) -> str:
    """Joins words to an English list: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
