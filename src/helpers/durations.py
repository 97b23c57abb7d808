"""How long something takes, in words."""

import math


def in_words(seconds: float) -> str:
    """For example `40 s`, `12 min` or `3.5 h`; `an unknown time` for nan."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
