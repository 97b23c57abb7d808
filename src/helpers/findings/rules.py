"""The rules of the pages that advise, as `notebooks/decisions.yml` states them."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from helpers import places


@dataclass(frozen=True)
class Rules:
    """One page's rules; the attributes are the keys of `notebooks/decisions.yml`, which explains them."""

    name: str
    title: str
    notebook: str
    question: str
    advice: dict[str, str]
    parameters: dict[str, Any] = field(default_factory=dict)


@cache
def rules() -> dict[str, Rules]:
    """Name -> rules, in the order of the book."""
    file = places.ROOT / "notebooks" / "decisions.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: Rules(name, **entry) for name, entry in content.items()}
