"""Whether an annotator's errors cost more than as many at random: is it their rate, or their place?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.findings._curves import curve, number, points
from helpers.findings.finding import Finding, Part, Tally, bounds, counted, out_of, percent
from helpers.findings.results import Results, Students, load, one_each, paired
from helpers.ledger import Ledger
from helpers.measures.crossing import Crossing, crossing
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Study

#: Method -> what a reader sees, the closest to the annotator first: the verdict is about the first that a study has.
ERRORS = {"shuffled": "shuffled within class", "class_conditional": "by its confusions", "uniform": "uniform"}
OWN, NONE = "its own", "none (gold)"


def controls(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Accuracy of students of gold with random errors minus that of the annotator's, at the largest number of labels.

    The random errors are as many as the annotator's: its labels shuffled among the texts of a gold class, or, where the
    study lacks that control, the next of `ERRORS`. The other controls, and the smallest number of labels, are variants.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `errors` ("its own", a kind of random ones, or "none (gold)") and `n`:
        `accuracy`, and the bounds `low` and `high` of its 95 % interval over seeds and texts (nan with one seed). The
        part "by corpus" has a sentence a corpus: which errors cost more at the fewest labels and at the most, and where
        the curves cross.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("controls", results)
    spec = results.study.controls
    if spec is None:
        return tally.finish(
            f"Study {results.study.name} trains nothing on random errors: "
            "give it a part `controls`, for example `controls: {methods: [shuffled]}`."
        )
    methods = [method for method in ERRORS if method in spec.methods]
    compared: dict[str, list[_Compared]] = {}
    mostly_wrong: list[bool] = []
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            whose = {NONE: None, OWN: annotator}
            trained = {errors: [one.students(labels, n) for n in sizes] for errors, labels in whose.items()}
            draws = {method: [one.controlled(method, annotator, n) for n in sizes] for method in methods}
            trained |= {
                ERRORS[method]: [one_each(found, redraw=spec.redraw) for found in draws[method]] for method in methods
            }
            # Curves that are set side by side are of the same seeds, as the differences are.
            seeds = min(students.seeds for found in trained.values() for students in found)
            curves = {errors: curve(students.first(seeds) for students in found) for errors, found in trained.items()}
            mostly_wrong.append(one.label_accuracy(trained[OWN][-1]) < 0.5)
            place = {"corpus": one.name, "annotator": annotator}
            for errors in (NONE, OWN):
                tally.frame += [place | {"errors": errors} | p for p in points(sizes, curves[errors], rng)]
            for method in methods:
                errors = ERRORS[method]
                tally.frame += [place | {"errors": errors} | p for p in points(sizes, curves[errors], rng)]
                pairs = [paired(*both) for both in zip(trained[errors], trained[OWN], strict=True)]
                fewest = most = paired_difference(*(students.correct for students in pairs[0]), rng=rng)
                if len(pairs) > 1:
                    most = paired_difference(*(students.correct for students in pairs[-1]), rng=rng)
                met = _crossing(sizes, pairs, rng) if len(sizes) > 1 else None
                beside = _Compared(annotator, fewest, most, met)
                first = method == methods[0]
                variant = "" if first else errors
                verdict = tally.judge(one.name, annotator, most, 2 * pairs[-1][0].seeds, variant=variant)
                if len(sizes) > 1:
                    variant = f"{errors}, {sizes[0]} labels"
                    tally.judge(one.name, annotator, fewest, 2 * pairs[0][0].seeds, variant=variant)
                if first:
                    compared.setdefault(one.name, []).append(beside)
                tally.table.append(
                    {
                        "Corpus": one.name,
                        "Annotator": annotator,
                        "Random errors": errors,
                        "Verdict": verdict,
                        "Its own cost more by, points": percent(most.effect),
                        "95 % interval": bounds(tally.claim, most),
                        "Training labels wrong, %": percent(1 - one.label_accuracy(pairs[-1][1])),
                        "Random labels wrong, %": percent(
                            1 - np.mean([one.label_accuracy(students) for students in draws[method][-1]])
                        ),
                        "Fewest labels": sizes[0],
                        "At the fewest, its own cost more by, points": percent(fewest.effect),
                        "95 % interval at the fewest": bounds(tally.claim, fewest),
                        "Most labels": sizes[-1],
                        "The curves cross at, labels": beside.where,
                    }
                )
    if not compared:
        return tally.finish("The study has no annotators.")
    listed = tuple((name, _sentence(results.study.sizes_of(name), found)) for name, found in compared.items())
    tally.parts["by corpus"] = Part(
        pd.DataFrame(), f"Its own errors against random ones, {ERRORS[methods[0]]}, corpus by corpus:", listed
    )
    said = [_remark([one for found in compared.values() for one in found], ERRORS[methods[0]], spec.redraw)]
    variants = pd.DataFrame(tally.variants)
    if others := [
        f"{ERRORS[method]}, {counted(variants[variants['variant'] == ERRORS[method]])}" for method in methods[1:]
    ]:
        said.append(f"Against other random errors the claim is: {'; '.join(others)}.")
    judged = pd.DataFrame(tally.verdicts)
    if (mostly := judged[mostly_wrong]).size and len(mostly) < len(judged):
        said.append(
            f"In {out_of(len(mostly), len(judged), 'cell')} most labels are wrong, so that random errors may leave "
            f"nothing to learn; of these the claim is {counted(mostly)}."
        )
    return tally.finish(" ".join(said))


class _Compared(NamedTuple):
    """An annotator's own errors against random ones: what they cost more by, at both ends, and where the curves cross.

    `met` is None where there is one size, and then `fewest` and `most` are the same.
    """

    annotator: str
    fewest: Interval
    most: Interval
    met: Crossing | None

    @property
    def crossed(self) -> bool:
        """Whether the curves cross between the sizes, and the data tell where."""
        return self.met is not None and self.met.identified

    @property
    def nowhere(self) -> bool:
        """Whether the data tell that there is no crossing: one curve lies above the other from end to end."""
        return self.met is not None and bool(self.met.absent) and not self._other_way

    @property
    def _other_way(self) -> bool:
        """Its own errors cost more at first and less in the end: the model pools what rises, and sees no crossing."""
        return self.fewest.effect > 0 > self.most.effect

    @property
    def where(self) -> str:
        """Where the curves cross, as a reader sees it, or why that is not known."""
        if self.met is None:
            return "not identified: one size"
        if not np.isfinite(self.met.low.value):
            return "not identified: one seed"
        if self.fewest.sign > 0 > self.most.sign:
            return "not identified: they cross the other way"
        if self._other_way and self.met.absent:
            return "not identified: if they cross, the other way"
        if self.nowhere:
            # At both ends alike: the model knows of falling differences only, and pools what rises.
            if {self.fewest.sign, self.most.sign} == {1}:
                return "nowhere: its own cost more from the start"
            if {self.fewest.sign, self.most.sign} == {-1}:
                return "nowhere: its own cost less throughout"
            return "nowhere"
        between = f"({number(self.met.low)} to {number(self.met.high)})"
        return f"{number(self.met.at)} {between}" if self.crossed else f"not identified {between}"


def _crossing(sizes: list[int], pairs: list[tuple[Students, Students]], rng: np.random.Generator) -> Crossing:
    """Where the annotator's curve falls to that of the random errors, the first of each pair."""
    seeds = min(own.seeds for _, own in pairs)
    random, own = (np.stack([pair[i].first(seeds).correct for pair in pairs], axis=1) for i in (0, 1))
    return crossing(sizes, own, random, rng=rng)


def _remark(compared: list[_Compared], errors: str, redraw: bool) -> str:
    """How the random errors were made, and what happens towards the left end of the curves."""
    draws = (
        "drawn anew for the student of every seed, so that intervals allow for another draw"
        if redraw
        else "drawn once, so that intervals do not allow for another draw"
    )
    said = [f"The random errors are {errors}, {draws}."]
    several = [one for one in compared if one.met is not None]
    if several:
        signs = [one.fewest.sign for one in several]
        said.append(
            f"At the fewest labels they clearly cost more than the annotator's own in "
            f"{out_of(signs.count(-1), len(several), 'cell')} and clearly less in {signs.count(1)}; where the curves "
            f"cross is identified in {sum(one.crossed for one in several)}."
        )
    return " ".join(said)


def _sentence(sizes: list[int], compared: list[_Compared]) -> str:
    """Which errors cost more at the ends of the curves, and where they meet."""
    end = f"at {sizes[-1]} labels, {_dearer([one.most for one in compared])}"
    if len(sizes) < 2:
        return f"{end}."
    said = []
    if crossed := [f"at {one.where} for {one.annotator}" for one in compared if one.crossed]:
        said.append(f"cross {', '.join(crossed)}")
    if never := [one.annotator for one in compared if one.nowhere]:
        said.append(f"cross nowhere for {', '.join(never)}")
    met = f"The curves {' and '.join(said)}" if said else "No crossing of the curves is identified"
    return f"at {sizes[0]} labels, {_dearer([one.fewest for one in compared])}; {end}. {met}."


def _dearer(costs: Sequence[Interval]) -> str:
    """Which errors clearly cost more, counted over annotators: positive where it is the annotator's own."""
    signs = [cost.sign for cost in costs]
    kinds = {1: "the annotator's own errors clearly cost more", -1: "random errors clearly cost more"}
    found = [
        f"{kind} with {out_of(signs.count(sign), len(signs), 'annotator')}"
        for sign, kind in kinds.items()
        if sign in signs
    ]
    return " and ".join(found) or "neither clearly cost more"
