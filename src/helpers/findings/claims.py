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
    beside: tuple[str, ...] = ()

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
        text = _signed(self.scale * effect, self.decimals)
        return f"{text} {self.unit}" if unit else text

    def shown_bound(self, bound: float) -> str:
        """Write a bound of an effect's interval; see `shown_bound`."""
        return shown_bound(bound, self.scale, self.decimals)


def shown_bound(bound: float, scale: float, decimals: int) -> str:
    """Write a bound, signed; with up to two more decimals where it would look like zero and is none.

    By a verdict's rule such a bound lies on one side of zero, which a reader must see.
    """
    texts = [_signed(scale * bound, decimals + more) for more in range(3)]
    return next((text for text in texts if text[0] in "+−"), texts[0])


def _signed(number: float, decimals: int) -> str:
    text = f"{number:+.{decimals}f}"
    # A rounded zero has no sign; a true minus is as wide as the plus.
    return text.lstrip("+-") if not float(text) else text.replace("-", "−")


@cache
def claims() -> dict[str, Claim]:
    """Name -> claim, in the order of the book."""
    file = places.ROOT / "notebooks" / "findings.yml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: Claim(name, **entry | {"beside": (*entry.get("beside", ()),)}) for name, entry in content.items()}
