"""A study's finished runs as arrays: what every finding starts from."""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, groupby, takewhile

import numpy as np

from helpers import __version__, orders, places
from helpers.annotations import Annotations, likeliest
from helpers.corpora import Corpus
from helpers.errors import UserError
from helpers.labels import LabelSource, Targets, annotator_of
from helpers.ledger import Ledger, Record
from helpers.measures.accuracy import predictions
from helpers.measures.stability import krippendorff_alpha
from helpers.studies import Cell, Run, Study

GOLD = LabelSource("gold")
#: What a page says of where labels come from, of all that a table says; servers have no hash to show.
_ORIGIN = (
    "model_hash",
    "model",
    "revision",
    "served_model",
    "server",
    "answers",
    "samples",
    "answered_with",
    "prompt_hash",
    "date",
)


@dataclass(frozen=True)
class Students:
    """The students of one cell of the grid: the same labels, one student a seed.

    Attributes
    ----------
    probs
        Their probabilities on the test texts, float64 (seeds, texts, classes), rows sum to 1.
    targets
        What they were trained on, where there are folds in the first. The same for all seeds, but for controls whose
        errors were drawn anew for each: then of the first seed.
    gold
        Gold classes of the test texts, int (texts,).
    types
        The number type that each was computed in, (seeds,); empty where it is not known.
    """

    probs: np.ndarray
    targets: Targets
    gold: np.ndarray
    types: tuple[str, ...] = ()

    @cached_property
    def pred(self) -> np.ndarray:
        """Predicted classes, int (seeds, texts)."""
        return predictions(self.probs)

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether the prediction is gold, float (seeds, texts) of 0 and 1."""
        return (self.pred == self.gold).astype(float)

    @property
    def accuracy(self) -> float:
        """Mean over seeds and texts, 0 to 1."""
        return float(self.correct.mean())

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(self.probs)

    def first(self, seeds: int) -> "Students":
        """Those of the first `seeds` seeds, or all where there are fewer."""
        return replace(self, probs=self.probs[:seeds], types=self.types[:seeds])


def one_each(draws: Sequence[Students], *, redraw: bool) -> Students:
    """The students of a control: each of errors that were drawn for its seed, or all of the first draw's.

    Their `targets` are those of the first.
    """
    if not redraw:
        return draws[0]
    # The first draw may have more seeds, for the page on instability: of each, the student of its own seed.
    first = [students.first(1) for students in draws]
    types = tuple(kind for students in first for kind in students.types)
    return replace(first[0], probs=np.concatenate([students.probs for students in first]), types=types)


def paired(*cells: Students) -> tuple[Students, ...]:
    """The students of the seeds that all `cells` have: comparisons are between equal seeds."""
    seeds = min(cell.seeds for cell in cells)
    return tuple(cell.first(seeds) for cell in cells)


@dataclass(frozen=True)
class CorpusResults:
    """All that a study's runs say about one corpus.

    Attributes
    ----------
    annotator_probs
        Annotator, or another table that label sources name -> renormalised probabilities of every row, float
        (rows, classes); nan where it failed or was not asked.
    cells
        Cell of the grid -> students.
    missing
        Annotator -> probability outside the label set, float (rows,), 0 to 1; nan where it failed.
    """

    corpus: Corpus
    annotator_probs: dict[str, np.ndarray]
    cells: dict[Cell, Students]
    missing: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The corpus's name."""
        return self.corpus.name

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.corpus.labels)

    @cached_property
    def gold(self) -> np.ndarray:
        """Gold classes of the test texts, int (texts,); -1 where they are not known."""
        return self.corpus.gold[self.corpus.test]

    @property
    def votes(self) -> np.ndarray | None:
        """Votes of people on the test texts, int (texts, classes), or None where only gold is known."""
        return None if self.corpus.votes is None else self.corpus.votes[self.corpus.test]

    def students(self, annotator: str | None, n: int, drawn: int = 0) -> Students:
        """Students of `n` labels of an annotator, or of gold (None); `drawn` numbers a subset that was drawn anew."""
        return self.cells[Cell(GOLD if annotator is None else LabelSource("annotator", (annotator,)), n, drawn)]

    def controlled(self, method: str, annotator: str, n: int) -> list[Students]:
        """Students of `n` labels of a control: those of each draw of its errors, in their order."""
        cells = (Cell(LabelSource(method, (annotator,), draw=draw), n) for draw in count())
        return [self.cells[cell] for cell in takewhile(self.cells.__contains__, cells)]

    def annotated(self, annotator: str) -> tuple[np.ndarray, np.ndarray]:
        """What the annotator itself says of the test texts.

        Returns
        -------
        (np.ndarray, np.ndarray)
            Probabilities (texts, K), nan where it failed, and the most probable class, int (texts,), -1
            where it failed.
        """
        return self.annotator_probs[annotator][self.corpus.test], self.said(annotator)[self.corpus.test]

    def said(self, annotator: str) -> np.ndarray:
        """The label that the annotator gives to each row of the corpus, int (rows,), -1 where it gave none."""
        return likeliest(self.annotator_probs[annotator])

    def gold_sample(self, k: int, rng: np.random.Generator) -> np.ndarray:
        """Row positions of `k` random texts of the training pool: those whose gold labels a reader would make.

        Of a pool with fewer gold labels, all that have one.
        """
        pool = self.corpus.pool
        known = pool[self.corpus.gold[pool] >= 0]
        return np.sort(rng.choice(known, min(k, len(known)), replace=False))

    def hard(self, annotator: str) -> bool:
        """Whether an annotator gives labels alone, and no probabilities: those of all rows are 0 and 1."""
        probs = self.annotator_probs[annotator]
        return bool(np.isin(probs[np.isfinite(probs)], (0, 1)).all())

    @property
    def folds(self) -> int:
        """Trainings behind the students of one seed: one, or one a fold."""
        return len(self.corpus.parts)

    def strongest(self, annotators: Sequence[str]) -> str:
        """The annotator that is right most often on the gold labels of the training pool; the last, of equal ones.

        A text that it failed on counts as wrong.
        """
        return max(reversed(annotators), key=self._right_in_pool)

    def weakest(self, annotators: Sequence[str]) -> str:
        """The annotator that is right least often there; the first, of equal ones."""
        return min(annotators, key=self._right_in_pool)

    def _right_in_pool(self, annotator: str) -> float:
        pool = self.corpus.pool[self.corpus.gold[self.corpus.pool] >= 0]
        return float((self.said(annotator) == self.corpus.gold)[pool].mean())

    def alpha(self, students: Students) -> float:
        """Krippendorff's alpha of students over seeds; nan of a single one, or where all predictions are one class."""
        return float(krippendorff_alpha(students.pred, n_classes=self.n_classes)) if students.seeds > 1 else np.nan

    def label_accuracy(self, students: Students) -> float:
        """Share of the students' training labels that are gold, 0 to 1."""
        made = students.targets
        return float((made.targets.argmax(axis=1) == self.corpus.gold[made.rows]).mean())


@dataclass(frozen=True)
class Results:
    """The finished runs of a study, or of some of its corpora and annotators.

    Attributes
    ----------
    corpora
        Corpus name -> results.
    annotators
        Names of the chosen annotators in the order of the study, which says nothing of a single corpus:
        `CorpusResults.strongest` does.
    provenance
        What a reader needs to trace the numbers, name -> value.
    asked
        Corpus name -> results of all that were asked for, where `corpora` lacks those without gold for every text.
    """

    study: Study
    corpora: dict[str, CorpusResults]
    annotators: list[str]
    provenance: dict[str, str]
    asked: dict[str, CorpusResults] = field(default_factory=dict)

    def rng(self, corpus: str, annotator: str, seed: int) -> np.random.Generator:
        """Make the generator of one cell: its interval does not depend on which other cells are looked at."""
        return np.random.default_rng([seed, zlib.crc32(corpus.encode()), zlib.crc32(annotator.encode())])

    def choose(self, corpus: str | list[str], annotators: str | list[str]) -> "Results":
        """The same results for fewer corpora and annotators; see `load`."""
        known = self.asked or self.corpora  # findings that need no gold look at the others, too
        corpora = pick(corpus, list(known), "corpus", self.study.name)
        chosen = pick(annotators, self.annotators, "annotator", self.study.name)
        return replace(self, corpora={c: known[c] for c in corpora}, annotators=chosen, asked={})

    @property
    def hard(self) -> list[str]:
        """Names of the annotators that give labels without probabilities for one of the corpora."""
        return [name for name in self.annotators if any(one.hard(name) for one in self.corpora.values())]

    @property
    def without_gold(self) -> tuple[str, ...]:
        """Names of the corpora that were asked for and left out, because not every gold label is known."""
        return tuple(name for name, one in self.asked.items() if not one.corpus.fully_gold)

    def with_gold(self) -> "Results":
        """Those of the corpora of which every gold label is known."""
        known = {name: one for name, one in self.corpora.items() if one.corpus.fully_gold}
        if len(known) == len(self.corpora):
            return self
        return replace(self, corpora=known, asked=self.corpora)


def pick(wanted: str | list[str], known: list[str], what: str, study: str) -> list[str]:
    """Names that `wanted` stands for, in the order of `known`: "all", one name, or a list of names.

    Raises
    ------
    UserError
        If a name is not among the known.
    """
    if wanted == "all":
        return known
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in known:
            raise UserError(f"study {study} has no {what} {name!r}: it has {', '.join(known) or 'none'}")
    return [name for name in known if name in names]


def load(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    gold: bool = True,
) -> Results:
    """Read the finished runs of a study from the ledger.

    Parameters
    ----------
    study
        The study, or what this function returned for it before: then nothing is read again.
    corpus, annotators
        "all", a name, or a list of names of the study.
    ledger
        By default the committed ledgers and the user's own.
    gold
        Whether all gold labels are needed: then corpora with less are left out, and `without_gold` names them.

    Raises
    ------
    UserError
        If a corpus or an annotator is unknown, or if runs of the chosen ones are not in the ledger.
    """
    results = _load(study, corpus, annotators, ledger)
    return results.with_gold() if gold else results


def _load(
    study: Study | Results, corpus: str | list[str], annotators: str | list[str], ledger: Ledger | None
) -> Results:
    if isinstance(study, Results):
        return study.choose(corpus, annotators)
    ledger = Ledger() if ledger is None else ledger
    corpora = pick(corpus, study.corpus_names, "corpus", study.name)
    chosen = pick(annotators, study.annotator_names, "annotator", study.name)
    # Labels of several annotators together are shown whoever is looked at; runs of the others alone are not asked for.
    whose = {name: [(run, run.source.who) for run in study.runs(name)] for name in corpora}
    runs = {name: [r for r, who in found if len(who) > 1 or who <= {*chosen}] for name, found in whose.items()}
    for name, found in runs.items():
        if not found:
            raise UserError(
                f"study {study.name} has no run on {name}: {study.corpus(name).n_gold} of its training texts have a "
                "gold label, and `sizes` ask for more; lower them, or add an annotator"
            )
    _complete(study, [run for found in runs.values() for run in found], ledger)
    records = {name: [ledger[run.key] for run in found] for name, found in runs.items()}
    tables = {name: study.annotations(found[0].corpus) for name, found in runs.items()}
    return Results(
        study,
        {name: _arrange(runs[name], records[name], tables[name]) for name in corpora},
        chosen,
        _provenance(study, chosen, runs, tables, [record for found in records.values() for record in found]),
    )


def _complete(study: Study, runs: list[Run], ledger: Ledger) -> None:
    missing = [run for run in runs if run.key not in ledger]
    if missing:
        file = f"studies/{study.name}.yml"
        command = f"label-risk run {file if (places.ROOT / file).is_file() else 'STUDY.yml'}"
        raise UserError(
            f"{len(missing)} of {len(runs)} runs of study {study.name} are not in the ledger, "
            f"the first is {missing[0]}: train them with `{command}`"
        )


def _arrange(runs: list[Run], records: list[Record], tables: dict[str, Annotations]) -> CorpusResults:
    corpus = runs[0].corpus.whole
    gold = corpus.gold[corpus.test]
    cells = {}
    # `Study.runs` keeps the folds of a cell together, and the seeds of a fold, in their order.
    for cell, pairs in groupby(zip(runs, records, strict=True), key=lambda pair: pair[0].cell):
        found = list(pairs)
        folds = [list(fold) for _, fold in groupby(found, key=lambda pair: pair[0].corpus.part)]
        # A student knows the test texts of its fold only: those of one seed, one a fold, are seen as one student.
        probs = np.empty((len(folds[0]), len(corpus.rows), len(corpus.labels)))
        for fold in folds:
            probs[:, fold[0][0].corpus.test] = np.stack([record.probs for _, record in fold])
        probs = probs[:, corpus.test]
        # Two bytes a number: rows miss a sum of 1 by up to a thousandth.
        probs /= probs.sum(axis=2, keepdims=True)
        cells[cell] = Students(probs, found[0][0].made, gold, _number_types(folds))
    probs, missing = ({name: getattr(table, what) for name, table in tables.items()} for what in ("probs", "missing"))
    return CorpusResults(corpus, probs, cells, missing)


def _number_types(folds: list[list[tuple[Run, Record]]]) -> tuple[str, ...]:
    """What each seed's student was computed in; that of several folds may be of several types."""
    seeds = zip(*([record.environment.get("compute", "unknown") for _, record in fold] for fold in folds), strict=True)
    return tuple(", ".join(sorted({*types})) for types in seeds)


def _provenance(
    study: Study,
    annotators: list[str],
    runs: dict[str, list[Run]],
    tables: dict[str, dict[str, Annotations]],
    records: list[Record],
) -> dict[str, str]:
    """Study, runs, hashes and versions, as the reader of a page sees them."""
    found = {
        "study": study.name,
        "label-risk": __version__,
        "runs": str(len({record.key for record in records})),
        "training time": f"{sum({r.key: r.seconds for r in records}.values()) / 3600:.1f} hours of one thread",
        "student": f"{study.student.kind} of {study.student.encoder}",
        "runs' content (sha256)": _short(_digest(record.content_digest for record in records)),
        "texts shown": ", ".join(name for name in runs if study.shows(name)) or "none, of any corpus, on any page",
    }
    for name, listed in runs.items():
        corpus = listed[0].corpus
        found[f"texts of {name} (sha256)"] = _short(corpus.fingerprint)
        if corpus.left_out:
            reasons = "; ".join(f"{reason}: {count}" for reason, count in corpus.dropped.items())
            found[f"left out of {name}"] = reasons
        if corpus.notes:
            found[f"notes on {name}"] = "; ".join(corpus.notes)
        if len(corpus.spent):
            found[f"gold spent in the prompt for {name}"] = f"{len(corpus.spent)} labels"
        if corpus.ranks is not None:
            found[f"split of {name}"] = f"{len(corpus.ranks)} folds, each text tested once"
        flagged = int(orders.flags(corpus.rows["text"]).sum())
        found[f"texts of {name} that look like orders"] = f"{flagged} of {len(corpus.rows)}"
        for annotator, table in tables[name].items():
            if annotator_of(annotator) in annotators:
                said = {key: table.provenance.get(key) for key in _ORIGIN}
                found[f"labels of {name} by {annotator}"] = ", ".join(
                    f"{key.replace('_', ' ')} {_short(str(value))}" for key, value in said.items() if value
                )
    for what in ("torch", "transformers", "numpy", "compute", "device", "processor", "encoder_commit"):
        values = sorted({str(record.environment[what]) for record in records if what in record.environment})
        if values:
            found[f"trained with {what.replace('_', ' ')}"] = ", ".join(values)
    return found


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()


def _short(value: str) -> str:
    """The first twelve digits of a hash; anything else as it is."""
    return f"{value[:12]}…" if len(value) == 64 else value
