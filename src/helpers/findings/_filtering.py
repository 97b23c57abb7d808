"""Whether it pays to keep only the labels of lowest entropy."""

import numpy as np

from helpers.annotations import CROSSFIT
from helpers.findings._choices import Compared, choice_of, choices
from helpers.findings._number_types import mixed_by, mixed_pairs
from helpers.findings._recovery import recovery, shown
from helpers.findings.finding import Finding, Tally, bounds, percent
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.labels import NEED_PROBABILITIES, LabelSource, llm_calls
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Cell, Study


def filtering(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    fraction: float = 0.5,
) -> Finding:
    """Accuracy of the students of the labels of lowest entropy minus that of the students of all labels.

    Parameters
    ----------
    fraction
        The kept share that the verdict is about, one of the study's `filtering.fractions`; if it is none of them,
        there are no verdicts. The table and the chart show all of them, and all of `filtering.methods`; their verdicts
        are variants.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `kept` (share, 1 for all labels) and `choice` ("lowest
        entropy", another method, "random" or "gold"): `accuracy`, `label_accuracy` of the labels trained on,
        and `n` of them. The table has a row a corpus, annotator, fraction and method. The part "choices" sums the
        methods up, and has a chart.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("filtering", results)
    spec = results.study.filtering
    if spec is None:
        why = (
            f"labels without probabilities have no entropy to filter by ({', '.join(results.hard)})"
            if results.hard
            else "give it a part `filtering`"
        )
        return tally.finish(f"Study {results.study.name} filters nothing: {why}.")
    if fraction not in spec.fractions:
        known = ", ".join(f"{f:g}" for f in spec.fractions)
        return tally.finish(
            f"Study {results.study.name} keeps the shares {known}, and the verdict is about {fraction:g}: add it to "
            "`fractions`, or set the notebook's parameter `fraction`."
        )
    compared: list[Compared] = []
    mixed: dict[str, list[bool]] = {}
    for one in results.corpora.values():
        for annotator in results.annotators:
            methods = [method for method in spec.methods if not (one.hard(annotator) and method in NEED_PROBABILITIES)]
            filters = {
                (kept, method): one.cells[Cell(results.study.filtered(method, annotator, kept), spec.size)]
                for kept in sorted(spec.fractions)
                for method in methods
            }
            subsets = {kept: one.students(annotator, round(kept * spec.size)) for kept in sorted(spec.fractions)}
            # All of the same seeds, so that the differences between points of the chart are those of the table.
            gold, everything = one.students(None, spec.size), one.students(annotator, spec.size)
            seeds = min(cell.seeds for cell in [gold, everything, *filters.values(), *subsets.values()])
            gold, everything = gold.first(seeds), everything.first(seeds)
            gap = paired_difference(gold.correct, everything.correct, rng=results.rng(one.name, annotator, seed))
            tally.frame.append(_point(one, annotator, 1.0, "gold", gold))
            for choice in [*map(choice_of, methods), "random"]:
                tally.frame.append(_point(one, annotator, 1.0, choice, everything))
            for kept in sorted(spec.fractions):
                random = subsets[kept].first(seeds)
                tally.frame.append(_point(one, annotator, kept, "random", random))
                for method in methods:
                    source = results.study.filtered(method, annotator, kept)
                    filtered = filters[kept, method].first(seeds)
                    tally.frame.append(_point(one, annotator, kept, choice_of(method), filtered))
                    rng = results.rng(one.name, annotator, seed)
                    interval = paired_difference(filtered.correct, everything.correct, rng=rng)
                    variant = "" if (method, kept) == ("entropy", fraction) else f"{method}, {kept:g} kept"
                    verdict = tally.judge(one.name, annotator, interval, 2 * filtered.seeds, variant=variant)
                    beyond = paired_difference(filtered.correct, random.correct, rng=rng)
                    again = results.rng(one.name, annotator, seed)
                    closed = recovery(filtered.correct, everything, gold, gap, rng=again)
                    moved = _shift(filtered, everything)
                    mixed.setdefault(choice_of(method), []).extend(mixed_pairs(filtered, everything))
                    judge, judged = _judge(one, source, everything)
                    compared.append(
                        Compared(
                            corpus=one.name,
                            annotator=annotator,
                            choice=choice_of(method),
                            kept=kept,
                            all_labels=interval,
                            random=beyond,
                            entropy=_beyond_entropy(results, one, annotator, kept, method, rng),
                            closed=closed.effect,
                            moved=moved,
                            purer=one.label_accuracy(filtered) > one.label_accuracy(everything),
                            judge=judge,
                            judged=judged,
                        )
                    )
                    tally.table.append(
                        {
                            "Corpus": one.name,
                            "Annotator": annotator,
                            "Kept, %": percent(kept),
                            "Choice": choice_of(method),
                            "Verdict": verdict,
                            "Minus the student of all, points": percent(interval.effect),
                            "95 % interval": bounds(tally.claim, interval),
                            "Student of the kept, %": percent(filtered.accuracy),
                            "Its alpha over seeds": round(one.alpha(filtered), 3),
                            "Minus a random subset of that size, points": percent(beyond.effect),
                            "95 % interval, random": bounds(tally.claim, beyond),
                            **shown(closed),
                            "Kept labels right, %": percent(one.label_accuracy(filtered)),
                            "All labels right, %": percent(one.label_accuracy(everything)),
                            "Class balance moved by, points": percent(moved),
                            "Classes of all → of the kept, %": _balance(one, everything, filtered),
                            "LLM calls": llm_calls(source, spec.size),
                        }
                        | ({} if judge is None else {"Judging classifier right, %": percent(judge)})
                    )
    tally.parts["choices"] = choices(tally.claim, compared, fraction)
    if not results.annotators:
        return tally.finish("The study has no annotators.")
    if "entropy" not in spec.methods:
        return tally.finish("The claim is about the labels of lowest entropy: add `entropy` to `filtering.methods`.")
    said = f"The verdicts are about the kept share {100 * fraction:g} %; all labels are {spec.size} here."
    if results.hard:
        said += f" Labels without probabilities have no entropy to filter by: {', '.join(results.hard)}."
    return tally.finish(said + mixed_by(mixed))


def _judge(one: CorpusResults, source: LabelSource, everything: Students) -> tuple[float, float] | tuple[None, None]:
    """How often the classifier that a filter asks is right, and the annotator, on the texts that both have labels of.

    Both None of a filter that asks none.
    """
    annotator, *others = source.annotators
    asked = [name for name in others if name.endswith(CROSSFIT) and name in one.annotator_probs]
    if not asked:
        return None, None
    rows = everything.targets.rows
    said = np.stack([one.said(name)[rows] for name in (asked[0], annotator)])
    known = (said >= 0).all(axis=0)
    right = (said == one.corpus.gold[rows])[:, known].mean(axis=1)
    return float(right[0]), float(right[1])


def _beyond_entropy(
    results: Results, one: CorpusResults, annotator: str, kept: float, method: str, rng: np.random.Generator
) -> Interval | None:
    """What keeping the classes' shares is worth: entropy within each class minus entropy over all, where both are."""
    if method != "class_entropy" or "entropy" not in results.study.filtering.methods:
        return None
    within, over = (
        one.cells[Cell(results.study.filtered(name, annotator, kept), results.study.filtering.size)]
        for name in (method, "entropy")
    )
    return paired_difference(*(students.correct for students in paired(within, over)), rng=rng)


def _balance(one: CorpusResults, before: Students, after: Students) -> str:
    """Share of each class among all labels and among the kept, in whole percent."""
    shares = [students.targets.targets.mean(axis=0) for students in (before, after)]
    return ", ".join(
        f"{label} {100 * first:.0f} → {100 * then:.0f}"
        for label, first, then in zip(one.corpus.labels, *shares, strict=True)
    )


def _point(one: CorpusResults, annotator: str, kept: float, choice: str, students: Students) -> dict:
    return {
        "corpus": one.name,
        "annotator": annotator,
        "kept": kept,
        "choice": choice,
        "n": len(students.targets.rows),
        "accuracy": students.accuracy,
        "label_accuracy": one.label_accuracy(students),
    }


def _shift(kept: Students, everything: Students) -> float:
    """Total variation distance between the class shares of the two sets of labels, 0 to 1."""
    shares = [students.targets.targets.mean(axis=0) for students in (kept, everything)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
