"""The corpora that need no description, and what a corpus of the user's own may be called beside them."""

import re
from collections.abc import Callable
from functools import lru_cache, partial

from helpers.corpora import hutto
from helpers.corpora.corpus import Corpus
from helpers.errors import UserError

#: Name -> function that loads one.
BUILT_IN: dict[str, Callable[[], Corpus]] = {
    "movie": partial(hutto.load, "movie"),
    "amazon": partial(hutto.load, "amazon"),
    "tweets": partial(hutto.load, "tweets"),
    "editorials": partial(hutto.load, "editorials"),
}


@lru_cache(maxsize=8)
def load(name: str) -> Corpus:
    """Load a built-in corpus.

    Raises
    ------
    UserError
        If there is none of this name.
    """
    if name not in BUILT_IN:
        raise UserError(
            f"no corpus is called {name!r}: the built-in ones are {', '.join(BUILT_IN)}; "
            "a corpus of your own is a mapping with `name`, `path` (or `hub`), `text` and `label`"
        )
    return BUILT_IN[name]()


def check_name(name: str) -> None:
    """Refuse a name that no file can have, that of a built-in corpus, or what stands for all; raises UserError."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise UserError(f"a corpus cannot be called {name!r}: use at most 80 letters, digits, `.`, `_` and `-`")
    if name.casefold() in BUILT_IN:  # folders are called so, and some disks know no case
        raise UserError(f"a corpus of your own cannot be called {name!r}: that is a built-in one")
    if name == "all":
        raise UserError("a corpus cannot be called 'all', pages call all of them so: give it another name")
