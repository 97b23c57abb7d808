"""From the cells of a label column to classes: which values mean the same, and what the classes are called."""

import re
import unicodedata
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from helpers.corpora.reading import TableError, clean

MOST = 50
_LONGEST = 200

Labels = Sequence[str] | Mapping[Hashable, str]

#: How programs write what is missing, without case.
NOTHING = frozenset({"na", "n/a", "nan", "none", "null", "<na>"})


def is_missing(value: Any) -> bool:
    """Whether a cell says nothing."""
    blank = isinstance(value, str) and not value.strip()
    return blank or value is None or (isinstance(value, float) and np.isnan(value))


def key(value: Any, column: str) -> str | None:
    """Write a cell of a label column as text, the same for 1, 1.0 and "1"; None where it is missing.

    Raises
    ------
    TableError
        If it holds what can be no class, as a list or a broken number.
    """
    value = clean_spaces(value)
    if is_missing(value):
        return None
    value = whole(value)
    if not isinstance(value, str | int | float):
        raise TableError(f"column {column!r} holds {str(value)[:60]}: a class must be a name or an integer")
    return str(value)


def whole(value: Any) -> Any:
    """1 for 1.0, also where that is text: integers are written so in columns with gaps; other cells as they are."""
    if isinstance(value, str):
        return value.partition(".")[0] if re.fullmatch(r"-?[0-9]{1,18}\.0+", value) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def clean_spaces(value: Any) -> Any:
    """A label without control characters; spaces around it stay, for they tell two spellings apart."""
    if not isinstance(value, str):
        return value
    inner = clean(value)
    return value.replace(value.strip(), inner) if inner and value.strip() != value else inner


def of_feature(values: list, names: list[str], labels: Labels | None) -> tuple[list, list[str] | None]:
    """Turn the indices of a `ClassLabel` into names, unless `labels` maps the indices themselves."""
    if isinstance(labels, Mapping) and all(_is_integer(str(name)) for name in labels):
        return [None if value is None or value < 0 else value for value in values], None
    return decoded(values, names), names


def decoded(indices: list[int | None], names: list[str]) -> list[str | None]:
    """The names of a `ClassLabel` column's indices; None where there is none, or -1, which means the same there.

    Raises
    ------
    TableError
        If an index has no name.
    """
    if (most := max((index for index in indices if index is not None), default=0)) >= len(names):
        raise TableError(f"a column of indices of {', '.join(map(repr, names[:5]))} … has the index {most}")
    return [None if index is None or index < 0 else names[index] for index in indices]


def name(found: list[str], labels: Labels | None, order: list[str] | None) -> dict[str, str]:
    """Map values of the label column to class names, in the order of the class indices.

    Raises
    ------
    TableError
        If there are too many or too few, or two that are hardly meant to differ.
    """
    if labels is not None:
        names = _accepted(found, labels)
        _check_spellings(found, names)
    else:
        _check_spellings(found, ())
        if len(found) > MOST:
            some = ", ".join(repr(value[:40]) for value in found[:5])
            raise TableError(
                f"the label column has {len(found)} distinct values ({some}, …), and {MOST} classes are the most: "
                "is it the right column?"
            )
        if order is None:
            order = sorted(found, key=int if all(map(_is_integer, found)) else str)
        names = {value: " ".join(value.split()) for value in order if value in found}
    for value in names.values():
        if len(value) > _LONGEST:
            raise TableError(
                f"the label {value[:40]!r}… has {len(value)} characters, {_LONGEST} are the most: is it the "
                "right column?"
            )
    return names


def _is_integer(value: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", value) is not None


def _accepted(found: list[str], labels: Labels) -> dict[str, str]:
    """Read `labels` as a mapping from values of the column to class names."""
    mapped = isinstance(labels, Mapping)
    if isinstance(labels, str) or not (mapped or isinstance(labels, Sequence)):
        raise TableError("`labels` must be a list of class names, or a mapping from values to names")
    names = list(labels.values() if mapped else labels)
    if any(isinstance(name, bool) for name in names):
        raise TableError(f"`labels` has {names}: YAML takes yes, no, on and off for booleans; put them in quotes")
    names = [" ".join(str(name).split()) for name in names]
    distinct = set(names) if mapped else names
    if "" in distinct or len({folded(name) for name in distinct}) < len(distinct):
        raise TableError(f"`labels` has {names}: class names must differ, and not only by case")
    if len(distinct) > MOST:
        raise TableError(f"`labels` has {len(distinct)} classes; {MOST} are the most")
    by_index = not mapped and all(map(_is_integer, found)) and not all(map(_is_integer, names))
    if by_index and (beyond := [value for value in found if int(value) >= len(names)]):
        raise TableError(
            f"`labels` is a list of {len(names)} names, which are those of 0 to {len(names) - 1}, and the label column "
            f"has {beyond[0]!r}: say of each value what it means (--classes {beyond[0]}=NAME,…)"
        )
    values = range(len(names)) if by_index else labels
    return dict(zip((str(whole(value)) for value in values), names, strict=True))


def _check_spellings(found: list[str], accepted: Collection[str]) -> None:
    """Refuse two spellings of one label, unless `labels` says of each what it means."""
    known = {folded(value): value for value in accepted}
    for value in found:
        other = known.setdefault(folded(value), value)
        if other != value and value not in accepted:
            raise TableError(
                f"the labels {other!r} and {value!r} differ only by case or surrounding spaces"
                f"{_unseen(other, value)}; make them one in the file, or let `labels` map both to one name "
                "(--classes VALUE=NAME,…)"
            )


def _unseen(a: str, b: str) -> str:
    """Why two labels that look the same are not: they are written with other characters."""
    return "" if a.strip().casefold() == b.strip().casefold() else ", or by characters that cannot be seen"


def folded(value: str) -> str:
    """A label as a reader sees it, without case."""
    return seen(value).casefold()


def seen(value: str) -> str:
    """A name as a reader sees it: without surrounding spaces, marks of direction and composition of accents."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", value) if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


def group(value: Any) -> str | None:
    """Write a cell of a column of groups as text, the same for names that look the same; None where it is missing."""
    if is_missing(value):
        return None
    return seen(str(whole(clean(value)))) or None
