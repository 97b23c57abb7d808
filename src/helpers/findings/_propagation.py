"""How an annotator's error and its student's own add up to the student's distance from people."""

import numpy as np

from helpers.findings.finding import Finding, Tally, bounds
from helpers.findings.results import CorpusResults, Results, load
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_bootstrap, paired_difference
from helpers.measures.propagation import (
    decompose_brier_by_text,
    decompose_by_text,
    smooth_votes,
    split_half_kl,
)
from helpers.studies import Study

_TERMS = ("approximation", "estimation", "cross", "total")
_CLOSER = {1: "no", 0: "not clear", -1: "yes"}


def propagation(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """The cross term that "approximation + estimation" leaves out, as a share of the student's divergence
    from people.

    P are the smoothed votes of people on the test texts, P_S the annotator's probabilities, P̂ the
    students', at the largest number of labels. The students were trained on P_S's most probable labels and
    not on P_S itself, so part of what is called estimation here is the hardening of the labels. P_S and P̂
    get the floor of `helpers.measures.propagation.FLOOR`; the split of the Brier score stands beside, for
    it needs none.

    Corpora without votes, and texts that the annotator failed on, are left out.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `measure` ("divergence", in nats, or "Brier") and `term`
        (approximation, estimation, cross, total, people): `value`. "people" is the divergence between two
        halves of the raters, the same for all annotators of a corpus, and has no Brier row.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("propagation", results)
    with_votes = [one for one in results.corpora.values() if one.votes is not None]
    for one in with_votes:
        people = float(np.nanmean(split_half_kl(one.votes, rng=results.rng(one.name, "people", seed))))
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            said, _ = one.annotated(annotator)
            known = np.isfinite(said).all(axis=1)
            if not known.any():
                continue
            students = one.students(annotator, results.study.sizes_of(one.name)[-1])
            three = smooth_votes(one.votes[known]), said[known], students.probs[:, known]
            parts, brier = decompose_by_text(*three), decompose_brier_by_text(*three)
            interval = _cross_share(parts, rng)
            verdict = tally.judge(one.name, annotator, interval, students.seeds)
            closer = paired_difference(parts["total"], parts["approximation"], rng=rng)
            means = {term: float(parts[term].mean()) for term in _TERMS}
            brier_means = {term: float(brier[term].mean()) for term in _TERMS}
            tally.frame += _points(one, annotator, "divergence", means | {"people": people})
            tally.frame += _points(one, annotator, "Brier", brier_means)
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    **{f"{term.capitalize()}, nats": round(means[term], 3) for term in _TERMS},
                    "Cross / total": round(interval.effect, 2),
                    "95 % interval": bounds(tally.claim, interval),
                    "Verdict": verdict,
                    "Half of the people to the other, nats": round(people, 3),
                    "Student closer to people than its annotator": _CLOSER[closer.sign],
                    **{f"{term.capitalize()}, Brier": round(brier_means[term], 3) for term in _TERMS},
                    "Cross / total, Brier": round(_ratio(brier_means["cross"], brier_means["total"]), 2),
                }
            )
    return tally.finish(_remark(results, with_votes))


def _cross_share(parts: dict[str, np.ndarray], rng: np.random.Generator) -> Interval:
    """Mean cross term over mean total, over seeds and texts."""
    return paired_bootstrap(
        lambda cross, total: _ratio(cross.mean(), total.mean()), parts["cross"], parts["total"], rng=rng
    )


def _ratio(cross: float, total: float) -> float:
    return float(cross / total) if total > 0 else np.nan


def _points(one: CorpusResults, annotator: str, measure: str, values: dict[str, float]) -> list[dict]:
    return [
        {"corpus": one.name, "annotator": annotator, "measure": measure, "term": term, "value": value}
        for term, value in values.items()
    ]


def _remark(results: Results, with_votes: list[CorpusResults]) -> str:
    if not results.annotators:
        return "The study has no annotators."
    without = [name for name, one in results.corpora.items() if one.votes is None]
    if not with_votes:
        return "None of the corpora has votes of people, which this finding needs."
    if without:
        return f"Left out for want of votes: {', '.join(without)}."
    return ""
