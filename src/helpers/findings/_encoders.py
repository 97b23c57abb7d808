"""Whether the loss depends on the encoder: the same labels, taught to the students of another study."""

import numpy as np
import pandas as pd

from helpers import places, studies
from helpers.findings.finding import VERDICT_COLUMNS, Finding, answered, minus, percent, signed, verdict_row
from helpers.findings.results import Results, Students, load, paired
from helpers.findings.rules import rules
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Study

#: The study of a larger encoder that comes with the project, and the one that it differs from in that.
SHIPPED, BESIDE = "studies/base.yml", "studies/default.yml"


def encoders(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    other: str | Study | Results = SHIPPED,
) -> Finding:
    """Accuracy that an annotator's labels cost the students of another encoder, beside those of the study's own.

    Both are looked at on the corpora and annotators that the two studies share, at the largest number of labels that
    both have. A study of built-in corpora that cannot be compared with the shipped one shows the two that come with the
    project, whatever `corpus` and `annotators` are.

    Parameters
    ----------
    other
        A study, or its file, whose students have another encoder.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator` and `encoder`: `loss`, the accuracy of the gold students minus that of
        the annotator's, and the bounds `low` and `high` of its 95 % interval; the study's own encoder first. In
        `verdicts`, the effect is the loss of the other encoder's students. The table has also the difference of the
        two losses, paired by test text and seed.

    Raises
    ------
    UserError
        If a name is unknown, `other` cannot be read, or runs are not in the ledger.
    """
    mine, theirs = (study.study if isinstance(study, Results) else study), _study(other)
    remark = _incomparable(mine, theirs)
    if remark and other == SHIPPED and all(isinstance(spec, str) for spec in mine.corpora):
        study = mine = studies.load(places.ROOT / BESIDE)
        corpus, annotators, remark = "all", "all", ""
    if remark:
        return _empty(remark)
    own, larger = (plan.student.encoder for plan in (mine, theirs))
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    sizes = {name: common for name, common in _shared_sizes(mine, theirs).items() if name in results.corpora}
    known = {spec.name: spec for spec in theirs.annotator_specs}
    alike = [spec.name for spec in mine.annotator_specs if known.get(spec.name) == spec]
    both = [name for name in results.annotators if name in alike]
    if not sizes or not both:
        return _empty(
            f"Study {theirs.name} has other corpora, {', '.join(theirs.corpus_names)}, or other annotators, "
            f"{', '.join(theirs.annotator_names) or 'none'}."
        )
    beside = load(theirs if isinstance(other, str) else other, corpus=list(sizes), annotators=both, ledger=ledger)
    frame, table, verdicts, changes = [], [], [], []
    for name, common in sizes.items():
        n, found = max(common), (results.corpora[name], beside.corpora[name])
        for annotator in both:
            rng = results.rng(name, annotator, seed)
            pairs = [paired(one.students(None, n), one.students(annotator, n)) for one in found]
            losses = [paired_difference(gold.correct, its.correct, rng=rng) for gold, its in pairs]
            more = _difference(pairs, rng)
            changes.append(more)
            advice = _advice(losses[1])
            n_runs = 2 * pairs[1][0].seeds * found[1].folds
            verdicts.append(verdict_row("encoders", name, annotator, losses[1], advice, n_runs))
            row = {"Corpus": name, "Annotator": annotator, "Labels": n, "Answer": advice}
            for encoder, loss in zip((own, larger), losses, strict=True):
                frame.append(
                    {
                        "corpus": name,
                        "annotator": annotator,
                        "encoder": encoder,
                        "loss": loss.effect,
                        "low": loss.low,
                        "high": loss.high,
                    }
                )
                row[f"Loss, {encoder}, points"] = percent(loss.effect)
                row[f"95 % interval, {encoder}"] = signed(loss)
            row[f"Loss of {larger} minus that of {own}, points"] = percent(more.effect)
            row["95 % interval of that"] = signed(more)
            for encoder, one, (gold, its) in zip((own, larger), found, pairs, strict=True):
                row[f"Seeds, {encoder}"] = its.seeds
                row[f"Gold student, {encoder}, accuracy %"] = percent(gold.accuracy)
                row[f"Its student, {encoder}, accuracy %"] = percent(its.accuracy)
                row[f"Alpha, gold students, {encoder}"] = round(one.alpha(gold), 3)
                row[f"Alpha, its students, {encoder}"] = round(one.alpha(its), 3)
            table.append(row)
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    summary = f"{_summary(verdicts, changes, own, larger)} The studies are {mine.name} and {theirs.name}."
    provenance = results.provenance | {f"{key} (study {theirs.name})": v for key, v in beside.provenance.items()}
    return Finding("encoders", pd.DataFrame(frame), pd.DataFrame(table), verdicts, summary, provenance)


def _study(other: str | Study | Results) -> Study:
    if isinstance(other, Results):
        return other.study
    if isinstance(other, Study):
        return other
    return studies.load(places.ROOT / SHIPPED if other == SHIPPED else other)  # a file of that name may lie anywhere


def _shared_sizes(mine: Study, theirs: Study) -> dict[str, set[int]]:
    """Corpus that both studies have -> numbers of labels that both have of it."""
    described = zip(mine.corpus_names, mine.corpora, strict=True)
    shared = [name for name, spec in described if spec in theirs.corpora]
    common = {name: {*mine.sizes_of(name)} & {*theirs.sizes_of(name)} for name in shared}
    return {name: sizes for name, sizes in common.items() if sizes}


def _incomparable(mine: Study, theirs: Study) -> str:
    """Why two studies cannot stand beside each other; nothing where they can."""
    what_to_do = "copy your study, change `encoder` in the copy, and name it in the parameter `other`"
    if mine.student.encoder == theirs.student.encoder:
        return f"Studies {mine.name} and {theirs.name} train the same encoder, {mine.student.encoder}: {what_to_do}."
    # The learning rate goes with the encoder: one that suits a small model is too high for a large one.
    alike = {"encoder": mine.student.encoder, "learning_rate": mine.student.learning_rate}
    if theirs.student.model_copy(update=alike) != mine.student:
        return f"The students of {mine.name} and {theirs.name} differ in more than their encoder: {what_to_do}."
    if mine.prompt != theirs.prompt:
        return f"The labels of {mine.name} and {theirs.name} are of other wordings, {mine.prompt} and {theirs.prompt}."
    if not _shared_sizes(mine, theirs):
        return f"Studies {mine.name} and {theirs.name} have no number of labels of a corpus in common: {what_to_do}."
    return ""


def _empty(remark: str) -> Finding:
    nothing = pd.DataFrame(columns=VERDICT_COLUMNS)
    return Finding("encoders", pd.DataFrame(), pd.DataFrame(), nothing, remark)


def _difference(pairs: list[tuple[Students, Students]], rng: np.random.Generator) -> Interval:
    """The second pair's loss minus the first's, of the seeds that both have."""
    (gold, its), (other_gold, other_its) = pairs
    gold, its, other_gold, other_its = paired(gold, its, other_gold, other_its)
    return paired_difference(other_gold.correct - other_its.correct, gold.correct - its.correct, rng=rng)


def _advice(loss: Interval) -> str:
    lost, gained, nothing = rules()["encoders"].advice
    return {1: lost, -1: gained, 0: nothing}[loss.sign]


def _summary(verdicts: pd.DataFrame, changes: list[Interval], own: str, larger: str) -> str:
    signs, effects = [change.sign for change in changes], [change.effect for change in changes]
    median = minus(f"{percent(np.median(effects)):+.1f}")
    return (
        f"{answered(rules()['encoders'].question, verdicts, list(rules()['encoders'].advice))} (a cell is a corpus and "
        f"an annotator). The loss of {larger} is clearly larger than that of {own} in {signs.count(1)} of "
        f"{len(signs)} cells and clearly smaller in {signs.count(-1)}; it differs by {median} points in the median."
    )
