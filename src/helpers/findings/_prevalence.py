"""How frequent each class is, from an annotator's labels and a few gold ones."""

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.findings._more_gold import more_gold, says_of
from helpers.findings.finding import VERDICT_COLUMNS, Finding, answered, percent, unsigned, verdict_row, with_counts
from helpers.findings.results import CorpusResults, Results, load
from helpers.findings.rules import rules
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval
from helpers.measures.prevalence import powered_share, wilson
from helpers.studies import Study


def prevalence(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    k: int = 300,
) -> Finding:
    """The share of each class in a corpus: the annotator's labels counted, k gold labels alone, and both together.

    Both together is prediction-powered inference (`helpers.measures.prevalence`) on the annotator's probabilities; a
    text that it failed on gets its mean. The gold labels are drawn from the training pool. Where every row has a gold
    label, as in the shipped corpora, the share that all of them show stands beside.

    Parameters
    ----------
    k
        Gold labels, fewer where the training pool has fewer.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `who` ("gold alone" or the annotator), `label` (the class) and `way` ("counted",
        "estimated" or "all gold labels"): `share`, `low`, `high`. In `verdicts`, a row a corpus, annotator and class
        (`variant`), the effect is the counted share minus the estimate. The part "more gold" has a chart: how wide the
        intervals are of more and of fewer gold labels (`helpers.findings._more_gold`).

    Raises
    ------
    UserError
        If a name is unknown, `k` is out of range, or runs are not in the ledger.
    """
    if k < 2:
        raise UserError(f"k = {k}: an estimate takes 2 gold labels or more, and is of use from 50 or so")
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger, gold=False)
    frame, table, verdicts = [], [], []
    with_gold = {name: one for name, one in results.corpora.items() if one.corpus.n_gold > 1}
    for one in with_gold.values():
        sample = one.gold_sample(k, results.rng(one.name, "gold sample", seed))
        for c, label in enumerate(one.corpus.labels):
            alone = wilson(int((one.corpus.gold[sample] == c).sum()), len(sample))
            truth = _truth(one, c)
            frame.append(_point(one, "gold alone", label, "estimated", alone))
            if truth is not None:
                frame.append(_point(one, "gold alone", label, "all gold labels", Interval(truth)))
            for annotator in results.annotators:
                counted_share, together = _both(one, annotator, c, sample)
                misleads = not together.low <= counted_share <= together.high
                verdict = list(rules()["prevalence"].advice)[0 if misleads else 1]
                frame += [
                    _point(one, annotator, label, "counted", Interval(counted_share)),
                    _point(one, annotator, label, "estimated", together),
                ]
                off = Interval(*(counted_share - share for share in (together.effect, together.high, together.low)))
                if one.n_classes > 2 or c:  # of two classes, one says what the other does
                    verdicts.append(verdict_row("prevalence", one.name, annotator, off, verdict, 0, variant=label))
                table.append(
                    {
                        "Corpus": one.name,
                        "Class": label,
                        "Annotator": annotator,
                        "Its labels counted, %": percent(counted_share),
                        "Answer": verdict,
                        "Gold labels": len(sample),
                        "These alone, %": percent(alone.effect),
                        "95 % interval": unsigned(alone),
                        "Gold and its labels, %": percent(together.effect),
                        "95 % interval of both": unsigned(together),
                        "As good as so many gold labels": _equivalent(alone, together, len(sample)),
                        "All gold labels, %": np.nan if truth is None else percent(truth),
                    }
                )
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    return Finding(
        "prevalence",
        pd.DataFrame(frame),
        with_counts(table, "As good as so many gold labels"),
        verdicts,
        _summary(results, with_gold, verdicts, table),
        results.provenance,
        parts={"more gold": more_gold(results, with_gold, k, seed)},
    )


def _both(one: CorpusResults, annotator: str, c: int, sample: np.ndarray) -> tuple[float, Interval]:
    """Share of class `c` among an annotator's labels, and the estimate from them and the sample's gold labels."""
    said = one.said(annotator)
    if (said < 0).all():
        return np.nan, Interval(np.nan)
    says = says_of(one, annotator)[:, c]
    rest = np.setdiff1d(np.arange(len(said)), sample)
    share = float((said[said >= 0] == c).mean())
    return share, powered_share(one.corpus.gold[sample] == c, says[sample], says[rest])


def _truth(one: CorpusResults, c: int) -> float | None:
    """Share of class `c` among all rows, where every row has a gold label."""
    gold = one.corpus.gold
    return float((gold == c).mean()) if (gold >= 0).all() else None


def _equivalent(alone: Interval, together: Interval, k: int) -> int | None:
    """Gold labels that would give as narrow an interval by themselves: widths fall with the root of k."""
    if not together.high > together.low:
        return None
    return round(k * ((alone.high - alone.low) / (together.high - together.low)) ** 2)


def _point(one: CorpusResults, who: str, label: str, way: str, share: Interval) -> dict:
    place = {"corpus": one.name, "who": who, "label": label, "way": way}
    return place | {"share": share.effect, "low": share.low, "high": share.high}


def _summary(results: Results, with_gold: dict[str, CorpusResults], verdicts: pd.DataFrame, table: list[dict]) -> str:
    said = []
    if len(verdicts):
        off = verdicts["effect"].abs()
        worst = verdicts.loc[off.idxmax()] if off.notna().any() else None
        said.append(
            f"{answered(rules()['prevalence'].question, verdicts, list(rules()['prevalence'].advice))} (a cell is "
            "a corpus, an annotator and a class)."
        )
        if worst is not None:
            said.append(
                f"Counted shares are off the estimate by {percent(off.median())} points in the median cell, and by "
                f"{percent(off.max())} at most ({worst['variant']} in {worst['corpus']}, {worst['annotator']})."
            )
        gains = [row["As good as so many gold labels"] for row in table]
        best = int(np.nanargmax(gains)) if np.isfinite(gains).any() else None
        if best is not None:
            row = table[best]
            said.append(
                f"With an annotator's labels, the gold labels of this one sample count as up to {gains[best]:.0f} "
                f"({row['Class']} in {row['Corpus']}, {row['Annotator']})."
            )
    elif not results.annotators:
        said.append("The study has no annotators.")
    if without := [name for name in results.corpora if name not in with_gold]:
        said.append(f"Without gold labels in the training pool no share can be estimated: {', '.join(without)}.")
    return " ".join(said)
