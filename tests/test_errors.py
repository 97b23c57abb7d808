"""What messages may show, whatever was thrown at the program."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora.ready import no_class
from helpers.errors import first_line, in_one_line, printable, repeats, without_controls, without_passwords


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\r", "\\x1b[31mred\\r"),
        ("neg\u202eevit", "neg\\u202eevit"),
        ("zero\u200bwidth, break\u2028, half \ud800", "zero\\u200bwidth, break\\u2028, half \\ud800"),
        ("schön 好 🙂", "schön 好 🙂"),
    ],
)
def test_what_acts_and_is_not_seen_is_written_out(said, shown):
    assert printable(said) == shown


def test_controls_leave_one_space():
    assert without_controls("a\r\n\x1b\x9b[31m\tschön  好") == "a [31m schön  好"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("see http://me:pw@host/a and https://host/b", "see http://…@host/a and https://host/b"),
        ("http://me:p//@w@host", "http://…@host"),
        ("write to a@b, not // nobody", "write to a@b, not // nobody"),
    ],
)
def test_passwords_are_left_out(said, shown):
    assert without_passwords(said) == shown
    assert first_line(ValueError(f"{said}\nmore")) == shown
    assert in_one_line(ValueError(said)) == shown


@given(st.text("a/@: \n", max_size=30))
def test_passwords_are_left_out_as_one_expression_would(said):
    assert without_passwords(said) == re.sub(r"//\S*@", "//…@", said)


def test_megabytes_of_what_looks_like_an_address_are_read_once():
    """Each is a matter of hours where the reading is quadratic."""
    assert len(first_line(ValueError("//" * 2_000_000))) == 200
    assert without_passwords("//" * 2_000_000 + "@") == "//…@"
    assert no_class("ab" * 1_000_000, "cd" * 1_000_000).startswith("the label 'abab")


def test_a_label_that_is_a_piece_of_the_text_is_not_repeated():
    text = "It was the best of times, it was the worst of times"
    assert no_class(text, text) == "what is there is no class"
    assert no_class("fine", text) == "the label 'fine' is no class"
    assert repeats(text, "he said: the BEST of  times")
