"""What orders in texts do to an annotator's labels, and to the students of labels that were ordered."""

import numpy as np
import pandas as pd

from helpers import orders, places, studies
from helpers.corpora import planted
from helpers.errors import UserError
from helpers.findings.finding import VERDICT_COLUMNS, Finding, counted, percent, signed, verdict_row
from helpers.findings.results import CorpusResults, Results, load
from helpers.findings.rules import rules
from helpers.ledger import Ledger
from helpers.measures.intervals import bootstrap_of_means
from helpers.measures.prevalence import wilson
from helpers.studies import Study

#: The experiment that comes with the project.
SHIPPED = "studies/injection.yml"
#: What the annotator's obedience is measured against.
_CONTROL = "mention"


def injection(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    template: str = "override",
) -> Finding:
    """The share of texts of other classes that get the ordered label, from the annotator and from its students.

    It is about a study's corpora with planted orders (`helpers.corpora.planted`). A study of built-in corpora that has
    none shows the experiment that comes with the project, whatever `corpus` and `annotators` are.

    Parameters
    ----------
    template
        The order that the advice is about, a name in `helpers.orders.templates`. The chart shows all of them.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `planted` (an order, a control or "nothing") and `who` ("annotator" or
        "its students"): `share` of the test texts that get the ordered label, with bounds `low` and `high`. In
        `verdicts`, the effect is the annotator's share with the order minus that with the control; corpora of the same
        test texts are one cell. The table has columns for the texts that `helpers.orders.looks_like_order` flags.

    Raises
    ------
    UserError
        If a name or the template is unknown, or runs are not in the ledger.
    """
    if template not in orders.templates():
        raise UserError(f"no order is called {template!r}: the known ones are {', '.join(orders.templates())}")
    shown = study.study if isinstance(study, Results) else study
    if not any(isinstance(spec, dict) and "planted" in spec for spec in shown.corpora):
        if not all(isinstance(spec, str) for spec in shown.corpora):
            remark = f"Study {shown.name} plants no orders: {SHIPPED} shows how it is done."
            return Finding("injection", *(pd.DataFrame() for _ in range(2)), _verdicts([]), remark)
        study, corpus, annotators = studies.load(places.ROOT / SHIPPED), "all", "all"
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    frame, table, verdicts, judged, planting = [], [], [], set(), set()
    for one in results.corpora.values():
        what = planted.planted_in(one.corpus)
        if not what.any():
            continue
        target = _target(one, what)
        test = what[one.corpus.test]
        planting.add((one.corpus.labels[target], int((test == template).sum())))
        n = results.study.sizes_of(one.name)[-1]
        in_training = what[one.corpus.pool[:n]]
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            said = one.annotated(annotator)[1]
            students = one.students(annotator, n)
            given = {name: (said[test == name] == target).astype(float) for name in dict.fromkeys(test)}
            theirs = {name: (students.pred[:, test == name] == target).astype(float) for name in given}
            frame += [_point(one, annotator, name, "annotator", given[name], rng) for name in given]
            frame += [_point(one, annotator, name, "its students", theirs[name], rng) for name in given]
            effect = bootstrap_of_means(np.subtract, given[template], given[_CONTROL], rng=rng)
            advice = list(rules()["injection"].advice)[0 if effect.sign > 0 else 1]
            # Corpora that differ in their training texts only ask an annotator the same: that is one answer.
            if (asked := (annotator, said[test != ""].tobytes(), tuple(test))) not in judged:
                judged.add(asked)
                verdicts.append(verdict_row("injection", one.name, annotator, effect, advice, 0))
            learned = next((name for name in in_training if name), "")
            table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Answer": advice,
                    "Order minus control, points": percent(effect.effect),
                    "95 % interval": signed(effect),
                    "Ordered label, nothing planted, %": percent(given[""].mean()),
                    f"With the control {_CONTROL}, %": percent(given[_CONTROL].mean()),
                    f"With the order {template}, %": percent(given[template].mean()),
                    "Order in training texts": learned,
                    "Training texts with it, %": percent((in_training != "").mean()),
                    "Of these, labelled as ordered, %": _obeyed(one, annotator, in_training, target, n),
                    "Its students, nothing planted, %": percent(theirs[""].mean()),
                    f"Its students, with the control {_CONTROL}, %": percent(theirs[_CONTROL].mean()),
                    f"Its students, with {template}, %": percent(theirs[template].mean()),
                    "Gold students, nothing planted, %": percent(_gold_share(one, n, test == "", target)),
                    f"Gold students, with {template}, %": percent(_gold_share(one, n, test == template, target)),
                    "Flagged, of texts with orders, %": percent(_flagged(one, what, ordered=True)),
                    "Flagged, of the other texts, %": percent(_flagged(one, what, ordered=False)),
                }
            )
    frame, table, verdicts = pd.DataFrame(frame), pd.DataFrame(table), _verdicts(verdicts)
    return Finding(
        "injection", frame, table, verdicts, _summary(verdicts, table, template, planting), results.provenance
    )


def _verdicts(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=VERDICT_COLUMNS)


def _target(one: CorpusResults, what: np.ndarray) -> int:
    """The class that is ordered: the one whose name the planted sentences end in."""
    row = one.corpus.rows.iloc[int(np.flatnonzero(what == "answer")[0])]
    ends = [orders.plant("", "answer", label) for label in one.corpus.labels]
    return max(range(len(ends)), key=lambda k: len(ends[k]) * row["text"].endswith(ends[k]))


def _point(
    one: CorpusResults, annotator: str, what: str, who: str, given: np.ndarray, rng: np.random.Generator
) -> dict:
    # One answer a text, as all of an annotator's are, is a count; students differ by seed, too.
    counted = given.ndim == 1 or (given == given[0]).all()
    share = (
        wilson(int(np.atleast_2d(given)[0].sum()), given.shape[-1])
        if counted
        else bootstrap_of_means(np.positive, given, rng=rng, n_boot=1000)
    )
    return {
        "corpus": one.name,
        "annotator": annotator,
        "planted": what or "nothing",
        "who": who,
        "share": share.effect,
        "low": float(np.clip(share.low, 0, 1)),
        "high": float(np.clip(share.high, 0, 1)),
    }


def _obeyed(one: CorpusResults, annotator: str, in_training: np.ndarray, target: int, n: int) -> float:
    said = one.said(annotator)[one.corpus.pool[:n][in_training != ""]]
    return percent((said == target).mean()) if len(said) else np.nan


def _gold_share(one: CorpusResults, n: int, which: np.ndarray, target: int) -> float:
    return float((one.students(None, n).pred[:, which] == target).mean())


def _flagged(one: CorpusResults, what: np.ndarray, *, ordered: bool) -> float:
    texts = one.corpus.rows["text"].to_numpy()
    return float(orders.flags(texts[np.isin(what, list(orders.templates())) == ordered]).mean())


def _summary(verdicts: pd.DataFrame, table: pd.DataFrame, template: str, planting: set[tuple[str, int]]) -> str:
    if verdicts.empty:
        return "The study has no annotators."
    ordered = " ".join(
        f"The ordered label is {label}; the order stands at the end of {texts} texts of other classes."
        for label, texts in sorted(planting)
    )
    with_order = f"With the order {template}, %"
    worst = table.loc[table[with_order].idxmax()]
    poisoned = table[table["Order in training texts"] != ""]
    said = [
        f"{rules()['injection'].question} The order {template}: {counted(verdicts, list(rules()['injection'].advice))} "
        f"(a cell is a set of test texts and an annotator). {ordered}",
        f"At most, {worst[with_order]:g} % of these texts get the ordered label; "
        f"{worst[f'With the control {_CONTROL}, %']:g} % do with a sentence that only mentions it, and "
        f"{worst['Ordered label, nothing planted, %']:g} % with nothing planted ({worst['Corpus']}, "
        f"{worst['Annotator']}).",
    ]
    if len(poisoned):
        students, plain = f"Its students, with {template}, %", "Its students, nothing planted, %"
        control = f"Its students, with the control {_CONTROL}, %"
        most = poisoned.loc[poisoned[students].idxmax()]
        said.append(
            f"Students of texts of which {most['Training texts with it, %']:g} % had the order "
            f"{most['Order in training texts']} give the label to up to {most[students]:g} % of the texts with the "
            f"order {template}, to {most[control]:g} % of those that only mention it and to {most[plain]:g} % of those "
            f"without ({most['Corpus']}, {most['Annotator']})."
        )
    return " ".join(said)
