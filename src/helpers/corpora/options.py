"""The options of a corpus, as a study file gives them: which there are, and of which types."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, validate_call

from helpers.errors import UserError, is_it

if TYPE_CHECKING:
    from helpers.corpora.corpus import Corpus

# What a message says that an option must be is the description of its type.
Column = Annotated[str, Field(description="the name of a column (a number in quotes)")]
MaybeColumn = Annotated[str | None, Field(description="the name of a column (a number in quotes)")]
MaybeColumns = Annotated[
    str | Sequence[str] | None, Field(description="the name of a column (a number in quotes), or a list of such")
]
MaybePath = Annotated[str | Path | None, Field(description="the path of a file or folder")]
Text = Annotated[str, Field(description="a text (in quotes, if YAML takes it for something else)")]
MaybeText = Annotated[str | None, Field(description="a text (in quotes, if YAML takes it for something else)")]
Questions = Annotated[
    str | Mapping[str, str] | None, Field(description="a text, or a mapping from wordings, as `prompt1`, to texts")
]
Count = Annotated[int, Field(ge=1, description="an integer from 1")]
Seed = Annotated[int, Field(ge=0, description="an integer from 0")]
Number = Annotated[float, Field(description="a number")]


def checked(load: Callable[..., "Corpus"]) -> Callable[..., "Corpus"]:
    """Make a function that takes options by name refuse wrong ones, in one line that names the first.

    Types are those of its signature, and strict: no text is read as a number. Options that it looks at itself, for it
    has more to say of them, are `SkipValidation` there.
    """
    strict = validate_call(config=ConfigDict(strict=True))(load)

    @wraps(load)
    def check_and_load(**options: Any) -> "Corpus":
        try:
            return strict(**options)
        except ValidationError as error:
            first = error.errors()[0]
            plain = {option: value for option, value in options.items() if isinstance(value, str | int | float)}
            raise UserError(
                f"the corpus {options.get('name', plain)!r} is not described right: {_said(load, options, first)}"
            ) from None

    return check_and_load


def _said(load: Callable, options: dict[str, Any], error: Any) -> str:
    option, hints = error["loc"][0], get_type_hints(load, include_extras=True)
    if option not in hints:
        return f"there is no option {option!r}{is_it(option, hints)}"
    must = f"must be {_description(hints[option])}"
    if option not in options:
        return f"`{option}` is missing: it {must}"
    value = "empty" if options[option] is None else repr(options[option])[:60]
    return f"`{option}` is {value}, but {must}"


def _description(hint: Any) -> str:
    found = [meta.description for meta in getattr(hint, "__metadata__", ()) if getattr(meta, "description", None)]
    return found[0] if found else "given"
