"""How an annotator's error and its student's own add up to the student's distance from people."""

from dataclasses import replace

import numpy as np

from helpers.findings._decomposition import TERMS, by_size, cross_share, few_votes, labelled, ratio, settings
from helpers.findings._toy_world import toy_world
from helpers.findings.claims import Claim
from helpers.findings.finding import Finding, Tally, bounds, out_of
from helpers.findings.results import CorpusResults, Results, load
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.measures.propagation import (
    decompose_brier_by_text,
    decompose_by_text,
    smooth_votes,
    split_half_brier,
    split_half_kl,
)
from helpers.studies import Study

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
        halves of the raters, the same for all annotators of a corpus. The part "by size"
        has the terms at every number of labels, "few votes" what the small number of raters adds to them, and
        "settings" what they owe to smoothing and floor. "toy accuracy" and "toy terms" are of `toy_world`.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("propagation", results)
    last: dict[tuple[str, str], Interval] = {}
    ceilings: dict[str, tuple[float, float]] = {}
    close: list[bool] = []
    with_votes = [one for one in results.corpora.values() if one.votes is not None]
    for one in with_votes:
        people, people_brier = ceilings[one.name] = tuple(
            _mean(apart(one.votes, rng=results.rng(one.name, "people", seed)))
            for apart in (split_half_kl, split_half_brier)
        )
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            said, known = labelled(one, annotator)
            if not len(said):
                continue
            students = one.students(annotator, results.study.sizes_of(one.name)[-1])
            three = smooth_votes(one.votes[known]), said, students.probs[:, known]
            parts, brier = decompose_by_text(*three), decompose_brier_by_text(*three)
            interval = last[one.name, annotator] = cross_share(parts, rng)
            verdict = tally.judge(one.name, annotator, interval, students.seeds)
            closer = paired_difference(parts["total"], parts["approximation"], rng=rng)
            means = {term: float(parts[term].mean()) for term in TERMS}
            if np.isfinite(people):
                close.append(means["total"] <= people)
            brier_means = {term: float(brier[term].mean()) for term in TERMS}
            tally.frame += _points(one, annotator, "divergence", means | {"people": people})
            tally.frame += _points(one, annotator, "Brier", brier_means | {"people": people_brier})
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Verdict": verdict,
                    "Cross / total": round(interval.effect, 2),
                    "95 % interval": bounds(tally.claim, interval),
                    **{f"{term.capitalize()}, nats": round(means[term], 3) for term in TERMS},
                    "One half of the people to the other, nats": round(people, 3),
                    "Student closer to people than its annotator": _CLOSER[closer.sign],
                    **{f"{term.capitalize()}, Brier": round(brier_means[term], 3) for term in TERMS},
                    "One half of the people to the other, Brier": round(people_brier, 3),
                    "Cross / total, Brier": round(ratio(brier_means["cross"], brier_means["total"]), 2),
                }
            )
    tally.parts = toy_world()
    if tally.verdicts:
        voted = replace(results, corpora={one.name: one for one in with_votes})
        tally.parts |= {
            "by size": by_size(voted, tally.claim, last, ceilings, seed),
            "few votes": few_votes(voted, seed),
            "settings": settings(voted, tally.claim),
        }
    return tally.finish(_remark(results, with_votes, close, tally.claim))


def _points(one: CorpusResults, annotator: str, measure: str, values: dict[str, float]) -> list[dict]:
    return [
        {"corpus": one.name, "annotator": annotator, "measure": measure, "term": term, "value": value}
        for term, value in values.items()
    ]


def _mean(apart: np.ndarray) -> float:
    """Mean over the texts that have votes to halve; nan where none has."""
    known = apart[np.isfinite(apart)]
    return float(known.mean()) if len(known) else np.nan


def _remark(results: Results, with_votes: list[CorpusResults], close: list[bool], claim: Claim) -> str:
    if not results.annotators:
        return "The study has no annotators."
    without = [name for name, one in results.corpora.items() if one.votes is None]
    if not with_votes:
        return "None of the corpora has votes of people, which this finding needs."
    said = [f"The margin is ± {claim.margin:g} of the whole."]
    if close:
        cells = out_of(sum(close), len(close), "cell")
        said.append(f"Students come as close to people as one half of the people to the other in {cells}.")
    if hard := replace(results, corpora={one.name: one for one in with_votes}).hard:
        said.append(
            f"Labels without probabilities count as certain, so that divergences from them are those of the floor; the "
            f"Brier score needs none: {', '.join(hard)}."
        )
    if without:
        said.append(f"Left out for want of votes: {', '.join(without)}.")
    return " ".join(said)
