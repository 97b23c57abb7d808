"""The paper's claims, and the rules by which their verdicts fall, as `notebooks/findings.yml` states them."""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import yaml

from helpers import places
from helpers.measures.intervals import Interval

Verdict = Literal["reproduced", "not shown", "reversed"]

#: In the order in which they are counted out to the reader.
VERDICTS: tuple[Verdict, ...] = ("reproduced", "not shown", "reversed")


@dataclass(frozen=True)
class Claim:
    """One claim and its rule; the attributes are the keys of `notebooks/findings.yml`, which explains them."""

    name: str
    title: str
    notebook: str
    claim: str
    effect: str
    rule: Literal["direction", "equivalence"]
    unit: str
    scale: float
    decimals: int
    margin: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)
    needs: str = ""

    def verdict(self, interval: Interval) -> Verdict:
        """What the interval of an effect says of the claim.

        A bound that touches the limit (zero, or the margin) does not pass it. Without an interval, nothing
        is shown.
        """
        if self.rule == "direction":
            return {1: "reproduced", 0: "not shown", -1: "reversed"}[interval.sign]
        if -self.margin < interval.low and interval.high < self.margin:
            return "reproduced"
        if interval.low > self.margin or interval.high < -self.margin:
            return "reversed"
        return "not shown"

    def shown(self, effect: float, *, unit: bool = True) -> str:
        """Write `effect` as a reader sees it, signed and rounded: `+3.2 points`; nan as `undefined`."""
        if math.isnan(effect):
            return "undefined"
        text = f"{self.scale * effect:+.{self.decimals}f}"
        # A rounded zero has no sign; a true minus is as wide as the plus.
        text = text.lstrip("+-") if not float(text) else text.replace("-", "−")
        return f"{text} {self.unit}" if unit else text


@cache
def claims() -> dict[str, Claim]:
    """Name -> claim, in the order of the book."""
    file = places.ROOT / "notebooks" / "findings.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: Claim(name, **entry) for name, entry in content.items()}
