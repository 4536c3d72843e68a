"""Text that looks equal is equal, whatever program wrote it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_classes import TimeSlot
from meeting_agent.common.text import clean_text, comparison_key, identifier
from meeting_agent.world.slots import named_slot


@given(st.text())
def test_cleaning_and_keys_do_not_depend_on_the_form_that_a_text_came_in(text):
    clean, key = clean_text(text), comparison_key(text)
    for form in ("NFC", "NFD"):
        assert clean_text(unicodedata.normalize(form, text)) == clean
        assert comparison_key(unicodedata.normalize(form, text)) == key
    assert clean_text(clean) == clean
    assert comparison_key(key) == comparison_key(text.casefold()) == comparison_key(clean) == key


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("Jose\u0301\u00a0N\u0303andu\u0301", "José Ñandú"),
        (" one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("\ufeffAda\u200b Be\u00adrg\u2060", "Ada Berg"),
        ("\u202eAda\u202c", "Ada"),
        ("Ada\U000e0041\U000e0042", "Ada"),
        ("\u3164\u200b \u2800\u200d", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष \u200d", "क्\u200dष"),
        ("👩\u200d💻 ❤\ufe0f", "👩\u200d💻 ❤\ufe0f"),
        ("۱۲۳ \u0600", "۱۲۳ \u0600"),
        ("a\x1bb", "a\x1bb"),
    ],
)
def test_what_cannot_be_seen_goes_and_what_shapes_letters_stays(written, clean):
    assert clean_text(written) == clean


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DIEGO  REYES", "Diego Reyes"),
        ("Weiß", "WEISS"),
        ("Zoltán O’Szabó", "zolta\u0301n o'szabo\u0301"),
        ("می\u200cخواهم", "میخواهم"),
        ("❤\ufe0f", "❤"),
        ("Jean‑Luc", "jean-luc"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_what_readers_take_for_the_same_has_one_key(one, other):
    assert comparison_key(one) == comparison_key(other)


def test_other_letters_have_other_keys():
    assert len({comparison_key(name) for name in ("Jose", "José", "Josè", "J ose")}) == 4


@pytest.mark.parametrize("written", ["day2_morning", "Day2 Morning", " DAY2-morning ", "day2\u00a0–\u00a0Morning"])
def test_names_of_code_are_known_in_the_ways_people_write_them(written):
    assert identifier(written) == "day2_morning"
    assert named_slot(written) is TimeSlot.DAY2_MORNING
