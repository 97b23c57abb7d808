"""Whether students repeat their annotator's mistakes: two parts of the page on degradation."""

import numpy as np
import pandas as pd

from helpers.findings._flips import quarters
from helpers.findings.claims import Claim
from helpers.findings.finding import Part, Tally, bounds, out_of, percent
from helpers.findings.results import CorpusResults, Students
from helpers.measures.inheritance import beyond_class, error_inheritance, expected_by_class, inherited
from helpers.measures.intervals import Interval
from helpers.measures.stability import label_entropy

#: Mistakes from which on a group has an interval: one mistake, made by all seeds, would have one without width.
FEWEST_MISTAKES = 10

#: Parts of the test texts by the annotator's entropy, from the surest on.
_QUARTERS = ("surest quarter", "second quarter", "third quarter", "least sure quarter")


class Inheritance:
    """Collects the rows of both parts, a corpus and annotator at a time."""

    def __init__(self, tally: Tally, seed: int):
        self._tally, self._seed = tally, seed
        self._rows: list[dict] = []
        self._groups: list[dict] = []
        self._beside: list[Interval] = []
        self._beyond: list[Interval] = []
        self._beyond_gold: list[Interval] = []
        self._slopes: list[float] = []

    def add(self, one: CorpusResults, annotator: str, gold: Students, students: Students) -> None:
        """Compare the students of an annotator and of gold, of the same seeds, on what the annotator gets wrong."""
        probs, said = one.annotated(annotator)
        known = said >= 0
        if not (said != one.gold)[known].any():
            return
        truth, said, probs = one.gold[known], said[known], probs[known]
        theirs, other = students.pred[:, known], gold.pred[:, known]
        rng = self._tally.results.rng(one.name, annotator, self._seed)
        beside = inherited(theirs, other, said, truth, rng=rng)
        beyond = beyond_class(theirs, said, truth, rng=rng)
        than_gold = beyond_class(theirs, said, truth, gold_student=other, rng=rng)
        if (said != truth).sum() < FEWEST_MISTAKES:
            found = beside, beyond, than_gold
            beside, beyond, than_gold = (Interval(interval.effect) for interval in found)
        self._tally.judge(one.name, annotator, beside, 2 * students.seeds, variant="inherited mistakes")
        self._beside.append(beside)
        self._beyond.append(beyond)
        self._beyond_gold.append(than_gold)
        where = {"Corpus": one.name, "Annotator": annotator}
        claim = self._tally.claim
        self._rows.append(
            where
            | _columns(claim, theirs, other, said, truth, beside)
            | {
                "To be expected by class, %": percent(expected_by_class(theirs, said, truth).mean()),
                "Beyond that, points": percent(beyond.effect),
                "95 % interval of that": bounds(claim, beyond),
                "Gold student beyond its own, points": percent(beyond.effect - than_gold.effect),
                "Difference beyond class, points": percent(than_gold.effect),
                "95 % interval beyond class": bounds(claim, than_gold),
            }
        )
        groups = {f"gold is {label}": truth == k for k, label in enumerate(one.corpus.labels)}
        if not one.hard(annotator):  # labels without probabilities are all equally sure
            quarter = quarters(label_entropy(probs))
            groups |= {name: quarter == i for i, name in enumerate(_QUARTERS)}
        shares = {}
        for name, members in groups.items():
            if not (mistakes := int((said != truth)[members].sum())):
                continue
            of_group = theirs[:, members], other[:, members], said[members], truth[members]
            interval = inherited(*of_group, rng=rng)
            if mistakes < FEWEST_MISTAKES:
                interval = Interval(interval.effect)
            else:
                shares[name] = interval.effect
            self._groups.append(where | {"Texts": name} | _columns(claim, *of_group, interval))
        if _QUARTERS[0] in shares and _QUARTERS[-1] in shares:
            self._slopes.append(shares[_QUARTERS[0]] - shares[_QUARTERS[-1]])

    def parts(self) -> dict[str, Part]:
        """Both parts: over all mistakes, and by gold class and by how sure the annotator was."""
        if not self._rows:
            nothing = Part(
                pd.DataFrame(), "There is no mistake of an annotator on the test texts that a student could repeat."
            )
            return {"inheritance": nothing, "inheritance by group": nothing}
        cells = len(self._rows)
        signs = [interval.sign for interval in self._beside]
        effects = [interval.effect for interval in self._beside]
        shown = self._tally.claim.shown
        said = (
            f"A student repeats a mistake of its annotator more often than a gold student makes it in "
            f"{out_of(signs.count(1), cells, 'cell')}, less often in {signs.count(-1)}, and in {signs.count(0)} that "
            f"is not clear; the median difference is {shown(np.median(effects))}. It repeats more than is "
            f"to be expected by class in {sum(interval.sign == 1 for interval in self._beyond)} of {cells}. So may a "
            f"gold student, for texts are hard for everybody: its annotator's student does more so in "
            f"{sum(interval.sign == 1 for interval in self._beyond_gold)}, and less so in "
            f"{sum(interval.sign == -1 for interval in self._beyond_gold)}."
        )
        surer = sum(slope > 0 for slope in self._slopes)
        by_group = (
            f"By the point estimates, more is inherited where the annotator is surest than where it is least sure in "
            f"{out_of(surer, len(self._slopes), 'cell')} with {FEWEST_MISTAKES} mistakes or more in both "
            "quarters."
            if self._slopes
            else f"No annotator has {FEWEST_MISTAKES} mistakes both where it is surest and where it is least sure."
        )
        if hard := self._tally.results.hard:
            by_group += f" Labels without probabilities do not say how sure they are: {', '.join(hard)}."
        return {
            "inheritance": Part(pd.DataFrame(self._rows), said),
            "inheritance by group": Part(pd.DataFrame(self._groups), by_group),
        }


def _columns(
    claim: Claim, theirs: np.ndarray, other: np.ndarray, said: np.ndarray, truth: np.ndarray, interval: Interval
) -> dict:
    return {
        "Its mistakes": int((said != truth).sum()),
        "Repeated by its student, %": percent(error_inheritance(theirs, said, truth).mean()),
        "Made by the gold student, %": percent(error_inheritance(other, said, truth).mean()),
        "Difference, points": percent(interval.effect),
        "95 % interval": bounds(claim, interval),
    }
