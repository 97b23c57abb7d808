"""The exceptions that users are meant to see."""

import difflib
import re
from collections.abc import Iterable
from pickle import UnpicklingError
from typing import TYPE_CHECKING, get_args
from unicodedata import category

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do.

    The command line prints it as one line and exits with status 2; a notebook shows it as the last line of its
    traceback.
    """


class DeadWorkersError(UserError):
    """Workers died, again and again, while they computed one task. Other tasks are not concerned."""


#: Kinds of characters that act and are not seen: controls, directions and what has no width, breaks of line.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: Control characters, category Cc, as they stand together.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Characters of a text that a message may not repeat, and of the shortest text that is looked for.
_PIECE, _SHORTEST = 12, 4

#: What transformers and torch raise at what is no model, not one of that kind, or too much for this machine.
NOT_LOADED = (
    AttributeError, ImportError, KeyError, MemoryError, OSError, RuntimeError, TypeError, UnpicklingError, ValueError
)  # fmt: skip


def printable(said: object) -> str:
    """A text that does nothing in a terminal: what acts and is not seen is written out, but for newline and tab.

    Names in the files of others, as in a model's configuration, reach messages and plans: control characters, and
    marks that turn the direction of what stands beside them.
    """
    return "".join(c if c in "\n\t" or category(c) not in _UNSEEN else repr(c)[1:-1] for c in str(said))


def without_controls(said: str) -> str:
    """A text with a space in the place of control characters, one for all that stand together; newlines are such."""
    return _CONTROLS.sub(" ", said)


def without_passwords(said: str) -> str:
    """A text without the user and the password of an address in it, whatever signs the password has."""
    return re.sub(r"\S+", _without_password, said)


def _without_password(word: re.Match) -> str:
    start, end = word[0].find("//"), word[0].rfind("@")
    return word[0] if not 0 <= start < end else f"{word[0][:start]}//…{word[0][end:]}"


def repeats(text: str, said: str) -> bool:
    """Whether a message has a piece of a text in it: what is kept of annotators holds no texts."""
    text, said = (" ".join(one.casefold().split()) for one in (text, said))
    size = min(_PIECE, len(text))
    pieces = (said[i : i + size] for i in range(len(said) - size + 1))
    return size >= _SHORTEST and any(piece in text for piece in pieces)


def is_it(said: str, known: Iterable[str]) -> str:
    """The end of a message that refuses a name: `; is it 'seeds'?` where a known one is spelt nearly so, or nothing."""
    close = difflib.get_close_matches(said, list(known), 1)
    return f"; is it {close[0]!r}?" if close else ""


def wrong_field(error: "ValidationError", model: "type[BaseModel]") -> tuple[tuple[str | int, ...], str]:
    """Where the first thing is that `model` refuses, as the names of fields from outside in, and what is wrong."""
    first = error.errors()[0]
    *path, field = first["loc"] or ("",)
    if first["type"] == "extra_forbidden":
        return tuple(path), f"there is no field {field!r}{is_it(str(field), _fields(model, path))}"
    if first["type"] == "missing":
        return first["loc"], "it is missing"
    if first["type"] == "model_type":
        return first["loc"], "it must be a mapping, `FIELD: VALUE` a line"
    return first["loc"], first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")


def _fields(model: "type[BaseModel]", path: Iterable[str | int]) -> list[str]:
    """Names of the fields of the part of a model at a path; none where that is no model."""
    for name in path:
        hint = model.model_fields[name].annotation if name in model.model_fields else None
        model = next((part for part in (hint, *get_args(hint)) if hasattr(part, "model_fields")), None)
        if model is None:
            return []
    return list(model.model_fields)


def first_line(error: BaseException, longest: int = 200) -> str:
    """The first line of what was raised, or its name where it says nothing; without passwords."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return without_passwords(line)[:longest]


def in_one_line(error: Exception) -> str:
    """What a library says of a model that it cannot load, short, with what can be done about it."""
    if isinstance(error, UnpicklingError):  # torch's own advice is to trust the file
        return "its pickled weights hold more than numbers, and are not read: convert them to safetensors"
    said = without_passwords(" ".join(str(error).split())) or type(error).__name__
    if "trust_remote_code" in said:  # the advice is to allow it
        return "it brings code of its own, and that is not run: take a model that transformers knows by itself"
    said = said if len(said) <= 300 else f"{said[:300]}…"
    if isinstance(error, ImportError):
        return f"{said} (install what it names, or take the model in another format)"
    if isinstance(error, MemoryError) or "memory" in said:
        return f"{said} (take a smaller model, or a machine with more memory)"
    return said
