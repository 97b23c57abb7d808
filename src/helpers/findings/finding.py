"""What a finding is: numbers for a chart, a table, verdicts, and the sentence that sums them up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from helpers.findings.claims import VERDICTS, Claim, claims, shown_bound
from helpers.findings.results import Results
from helpers.measures.intervals import Interval

VERDICT_COLUMNS = ["finding", "corpus", "annotator", "variant", "effect", "low", "high", "verdict", "n_runs"]


def verdict_row(
    finding: str, corpus: str, annotator: str, interval: Interval, verdict: str, n_runs: int, *, variant: str = ""
) -> dict:
    """A row of `Finding.verdicts` or `Finding.variants`."""
    effect = (interval.effect, interval.low, interval.high)
    row = (finding, corpus, annotator, variant, *effect, verdict, n_runs)
    return dict(zip(VERDICT_COLUMNS, row, strict=True))


class Part(NamedTuple):
    """A further table of a finding, the computed sentences that go with it, and tidy numbers if it has a chart.

    Where the study has nothing for it, the table is empty and `said` names what to add. What is said one by one, of
    corpora or filters, is in `listed`: the name, and its sentence.
    """

    table: pd.DataFrame
    said: str
    listed: tuple[tuple[str, str], ...] = ()
    frame: pd.DataFrame | None = None


@dataclass(frozen=True)
class Finding:
    """One finding on some corpora and annotators of a study.

    Attributes
    ----------
    name
        The key in `notebooks/findings.yml`, or in `notebooks/decisions.yml`.
    frame
        Tidy numbers for the chart; each finding's function says which columns. Shares are 0 to 1.
    table
        What a reader sees: rounded, with human column names; accuracies in percent, their differences in
        points.
    verdicts
        One row a corpus and annotator: finding, corpus, annotator, variant (empty), effect, low, high (the
        95 % interval; nan where there is none), verdict, n_runs (trainings that the effect rests on). Effects
        are in the units of the measure: accuracies 0 to 1.
    variants
        The same for what the finding judges beside its claim, by the same rule, such as other filters: the
        column variant names it. They are not counted in the summary.
    parts
        Further tables by name, each with what it says.
    listed
        What is said one by one below the summary, as of a part: the name, and its sentence.
    summary
        What came out, in plain words.
    provenance
        Study, hashes and versions, name -> value.
    """

    name: str
    frame: pd.DataFrame
    table: pd.DataFrame
    verdicts: pd.DataFrame
    summary: str
    provenance: dict[str, str] = field(default_factory=dict)
    variants: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=VERDICT_COLUMNS))
    parts: dict[str, Part] = field(default_factory=dict)
    listed: tuple[tuple[str, str], ...] = ()

    @property
    def claim(self) -> Claim:
        """The claim that this finding is about."""
        return claims()[self.name]


class Tally:
    """Collects what a finding's loop over corpora and annotators yields, and closes it as a `Finding`."""

    def __init__(self, name: str, results: Results):
        self.claim = claims()[name]
        self.results = results
        self.frame: list[dict] = []
        self.table: list[dict] = []
        self.verdicts: list[dict] = []
        self.variants: list[dict] = []
        self.parts: dict[str, Part] = {}

    def judge(self, corpus: str, annotator: str, interval: Interval, n_runs: int, *, variant: str = "") -> str:
        """Add one verdict on the claim, or on a variant of it, and return it; of folds, each is a run of `n_runs`."""
        verdict = self.claim.verdict(interval)
        trained = n_runs * self.results.corpora[corpus].folds
        row = verdict_row(self.claim.name, corpus, annotator, interval, verdict, trained, variant=variant)
        (self.variants if variant else self.verdicts).append(row)
        return verdict

    def finish(self, remark: str = "") -> Finding:
        """Close the finding; `remark` ends its summary, and is all of it where nothing could be judged."""
        verdicts, variants = (pd.DataFrame(rows, columns=VERDICT_COLUMNS) for rows in (self.verdicts, self.variants))
        frame, table = pd.DataFrame(self.frame), pd.DataFrame(self.table)
        said = [summarise(self.claim, verdicts)] if len(verdicts) else []
        if self.results.corpora and remark:
            said.append(remark)
        if without := self.results.without_gold:
            said.append(f"Left out, because not every text has a gold label: {', '.join(without)}.")
        summary = " ".join(said)
        return Finding(self.claim.name, frame, table, verdicts, summary, self.results.provenance, variants, self.parts)


def counted(verdicts: pd.DataFrame, kinds: Sequence[str] = VERDICTS) -> str:
    """How often each verdict fell: `reproduced in 3 of 4 cells and not shown in 1`."""
    counts = [(verdict, int((verdicts["verdict"] == verdict).sum())) for verdict in kinds]
    (first, count), *others = [pair for pair in counts if pair[1]]
    if not others:
        where = {1: "the one cell", 2: "both cells"}.get(count, f"all {count} cells")
        return f"{first} in {where}"
    parts = [f"{first} in {count} of {len(verdicts)} cells", *(f"{verdict} in {count}" for verdict, count in others)]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def answered(question: str, verdicts: pd.DataFrame, kinds: Sequence[str]) -> str:
    """A question, and how often each answer fell: `Do they? Yes in 3 of 4 cells and no in 1`."""
    said = counted(verdicts, kinds)
    return f"{question} {said[0].upper()}{said[1:]}"


def summarise(claim: Claim, verdicts: pd.DataFrame) -> str:
    """One or two sentences: the verdicts counted, and how large the effect is and where."""
    sentence = f"{claim.title}: {counted(verdicts)} (a cell is a corpus and an annotator)."
    # Of an equivalence the size counts: effects of both signs would cancel in a median.
    size = abs if claim.rule == "equivalence" else None
    known = verdicts.dropna(subset=["effect"]).sort_values("effect", kind="stable", key=size)
    if known.empty:
        return f"{sentence} The effect could not be computed."
    if len(known) == 1:
        return f"{sentence} The effect is {claim.shown(known['effect'].iloc[0])}."
    least, most = (
        f"{claim.shown(row.effect, unit=False)} ({row.corpus}, {row.annotator})"
        for row in (known.iloc[0], known.iloc[-1])
    )
    if size:
        middle = claim.shown(known["effect"].abs().median()).lstrip("+")
        return (
            f"{sentence} The median size of the effect is {middle}; it is smallest with {least}, largest with {most}."
        )
    return f"{sentence} The median effect is {claim.shown(known['effect'].median())}, from {least} to {most}."


def with_counts(rows: Sequence[dict], *columns: str) -> pd.DataFrame:
    """A table whose `columns` are counts, and stay whole numbers beside a row that has none."""
    table = pd.DataFrame(rows)
    return table.astype({column: "Int64" for column in columns if column in table})


def percent(share: float) -> float:
    """A share of 0 to 1 in percent, or a difference of shares in points, to one decimal."""
    return round(100 * float(share), 1) + 0.0  # no minus zero


def bounds(claim: Claim, interval: Interval) -> str:
    """Write an interval as `+1.2 to +3.4`, or `none` where there is none."""
    if not interval.low <= interval.high:
        return "none"
    return f"{claim.shown_bound(interval.low)} to {claim.shown_bound(interval.high)}"


def signed(interval: Interval) -> str:
    """Write an interval of a difference of shares, in points, as `+1.2 to +3.4`; nothing where there is none."""
    return _between(interval, lambda bound: shown_bound(bound, 100, 1))


def unsigned(interval: Interval) -> str:
    """Write an interval of a share, in percent, as `12.3 to 45.6`; nothing where there is none."""
    return _between(interval, lambda bound: f"{percent(bound)}")


def _between(interval: Interval, write: Callable[[float], str]) -> str:
    if not interval.low <= interval.high:
        return ""
    return minus(f"{write(interval.low)} to {write(interval.high)}")


def minus(number: str) -> str:
    """Give a written number a true minus, which is as wide as the plus."""
    return number.replace("-", "−")


def out_of(count: int, total: int, *nouns: str) -> str:
    """Write `3 of 12 cells`, or `1 of 1 cell`; a plural that is not made with an s is the second noun."""
    singular, plural = (*nouns, f"{nouns[0]}s")[:2]
    return f"{count} of {total} {singular if total == 1 else plural}"


def span(numbers: Iterable[int]) -> str:
    """Write the least and the greatest of whole numbers as `3 to 10`, or `3` where they are all the same."""
    numbers = sorted(numbers)
    return f"{numbers[0]}" if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
