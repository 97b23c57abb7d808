"""Studies: a YAML file that spans a grid of runs, and the runs it spans.

A *run* is one training: corpus, label source, number of texts, seed, student. Its key is the hash of all that its
result depends on (texts, targets, encoder, hyper-parameters, seed, version of the training code), so a run is never
repeated, whatever study asks for it, and never mistaken for another. Encoders in folders are known by the path as the
study spells it, and by their files.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from helpers import annotations, corpora, labels, places, students
from helpers.annotators import specs
from helpers.corpora import Corpus
from helpers.errors import UserError, wrong_field
from helpers.labels import LabelSource, Subset, Targets, tables
from helpers.students import Student

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Cell(NamedTuple):
    """What the seeds of one point of the grid have in common.

    Attributes
    ----------
    n
        Number of training texts that the label source may look at.
    drawn
        Which texts: 0 is the nested subset, another number a subset drawn anew (`Corpus.subset`).
    """

    source: LabelSource
    n: int
    drawn: int = 0

    def __str__(self) -> str:
        return f"{self.source}, n={self.n}" + (f", subset {self.drawn}" if self.drawn else "")


def _ascending(sizes: object) -> list[int]:
    counts = [n for n in sizes if isinstance(n, int) and not isinstance(n, bool)] if isinstance(sizes, list) else []
    if not counts or len(counts) < len(sizes) or min(counts) < 1:
        raise ValueError(f"expected a list of numbers of texts, each 1 or more, not {sizes!r}")
    return sorted(set(counts))


def _sizes(value: object) -> list[int] | dict[str, list[int]]:
    if isinstance(value, dict):
        return {str(corpus): _ascending(sizes) for corpus, sizes in value.items()}
    return _ascending(value)


def _methods_of(module: ModuleType, what: str) -> Any:
    """A list of names of the label sources that a module of `helpers.labels` has."""

    def known(name: str) -> str:
        names = [name for name, function in labels.METHODS.items() if function.__module__ == module.__name__]
        if name not in names:
            raise ValueError(f"no {what} is called {name!r}: the known ones are {', '.join(names)}")
        return name

    return Annotated[list[Annotated[str, AfterValidator(known)]], Field(min_length=1)]


_Filters = _methods_of(labels.filters, "filter")
_Combinations = _methods_of(labels.combinations, "way to join labels")
_Corrections = _methods_of(labels.corrections, "correction")


class Filtering(BaseModel):
    """Filters that keep a part of each annotator's labels, against random subsets of the same size.

    A random subset is the nested training subset of that size, so it needs runs of its own only where `fractions` and
    `sizes` do not meet.

    Attributes
    ----------
    size
        Number of labels to choose from, one of the sizes of every corpus.
    fractions
        Shares that are kept, each in (0, 1).
    methods
        Label sources that filter one annotator's labels.
    """

    model_config = _STRICT

    size: int = Field(gt=0)
    fractions: list[Annotated[float, Field(gt=0, lt=1)]] = Field(min_length=1)
    methods: _Filters = ["entropy"]


class Ensembling(BaseModel):
    """Labels of several tables joined, at `size` labels.

    Ensembles of students need no runs of their own.

    Attributes
    ----------
    methods
        Label sources that combine several tables of labels.
    juries
        Whose labels are joined: those of all annotators, those of each annotator in all `wordings`, or both.
    """

    model_config = _STRICT

    size: int = Field(gt=0)
    methods: _Combinations = ["vote"]
    juries: list[Literal["annotators", "wordings"]] = Field(["annotators", "wordings"], min_length=1)


class Correction(BaseModel):
    """All of an annotator's labels, changed: made soft, moved to other classes, or with a little gold among them.

    Attributes
    ----------
    size
        Number of labels, one of the sizes of every corpus.
    methods
        Label sources that correct one annotator's labels.
    gold
        Gold labels that those may spend which need some. Where a training pool has fewer, they are left out.
    """

    model_config = _STRICT

    size: int = Field(gt=0)
    methods: _Corrections = ["prior_corrected"]
    gold: int = Field(250, gt=0)


class Controls(BaseModel):
    """Gold with random errors at each annotator's rate, over all sizes: is it their rate, or their place?

    Attributes
    ----------
    methods
        Which random errors.
    seeds
        Number of seeds, where it is not the study's. If it is larger, gold and annotators have as many at every size,
        for they are compared seed by seed.
    redraw
        Whether the student of each seed learns errors that were drawn for it. If not, all learn those of the first
        draw, and no interval knows of another.
    """

    model_config = _STRICT

    methods: list[Literal["uniform", "class_conditional", "shuffled"]] = Field(min_length=1)
    seeds: int | None = Field(None, ge=1)
    redraw: bool = True


class Stability(BaseModel):
    """Runs that differ in nothing but chance: how much do students change?

    Attributes
    ----------
    seeds
        Number of seeds at the largest size, for gold and every annotator.
    controls
        True: controls have as many, all of the first draw of their errors. A number: they have so many.
    draws
        Number of training subsets that are drawn anew, for gold and every annotator, each with seed 0. They are of the
        corpus's largest size that is at most half of its pool: larger ones would hardly differ.
    """

    model_config = _STRICT

    seeds: int = Field(10, ge=2)
    controls: StrictBool | Annotated[int, Field(ge=2)] = True
    draws: int = Field(0, ge=0)

    @property
    def control_seeds(self) -> int:
        """Number of seeds at the largest size for every control; 0 where that is not said."""
        return self.seeds * self.controls if isinstance(self.controls, bool) else self.controls


class Study(BaseModel):
    """A grid of runs, as a study file describes it.

    Attributes
    ----------
    corpora
        Built-in names, or mappings that describe a table (`helpers.corpora.tables.load`).
    annotators
        What `helpers.annotators.specs` understands, weakest first.
    prompt, wordings
        The wording that labels are asked for in, and further ones: filters compare the answers and ensembles join
        them. Names in `prompts.yml`.
    sizes
        Numbers of training texts, ascending, for all corpora or for each by name; subsets are nested.
    seeds
        Number of seeds, 0..seeds-1; `controls` and `stability` may ask for more in their cells.
    texts
        Whether pages may show texts: of all corpora, of none (the default), or of those that are named.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")
    corpora: list[str | dict[str, Any]] = Field(min_length=1)
    annotators: list[str | dict[str, Any]] = []
    prompt: str = "prompt1"
    wordings: list[str] = []
    sizes: Annotated[list[int] | dict[str, list[int]], BeforeValidator(_sizes)]
    seeds: int = Field(3, ge=1)
    student: Student = Student()
    filtering: Filtering | None = None
    ensembling: Ensembling | None = None
    correction: Correction | None = None
    controls: Controls | None = None
    stability: Stability | None = None
    texts: bool | list[str] = False

    @field_validator("annotators")
    @classmethod
    def _annotators_can_be_read(cls, given: list[str | dict[str, Any]]) -> list[str | dict[str, Any]]:
        try:
            specs.check_unique(specs.parse(said) for said in given)
        except UserError as error:
            raise ValueError(str(error)) from None
        return given

    @model_validator(mode="after")
    def _parts_fit(self) -> "Study":
        if len({name.casefold() for name in self.corpus_names}) < len(self.corpus_names):  # some disks know no case
            raise ValueError(f"two of the corpora have the same name: {', '.join(self.corpus_names)}")
        if isinstance(self.sizes, dict) and {*self.sizes} != {*self.corpus_names}:
            raise ValueError(
                f"`sizes` names the corpora {', '.join(self.sizes)}, and the study has {', '.join(self.corpus_names)}: "
                "give each a list, or one list for all"
            )
        if isinstance(self.texts, list) and not {*self.texts} <= {*self.corpus_names}:
            raise ValueError(
                f"`texts` names the corpora {', '.join(self.texts)}, and the study has {', '.join(self.corpus_names)}"
            )
        if len({self.prompt, *self.wordings}) <= len(self.wordings):
            raise ValueError(f"`wordings` are further ones, each once, beside {self.prompt!r}, not {self.wordings}")
        if not self.wordings and self.filtering and "prompt_agreement" in self.filtering.methods:
            raise ValueError("`prompt_agreement` takes further wordings: name them in `wordings`, as `prompt2`")
        read = [spec.name for spec in self.annotator_specs if isinstance(spec, specs.READ)]
        if read and self.filtering and "prompt_agreement" in self.filtering.methods:
            raise ValueError(
                f"`prompt_agreement` asks in other wordings, and the labels of {', '.join(read)} are ready-made: leave "
                "the filter out, or give it a study without them"
            )
        if self.filtering and (none := [f for f in self.filtering.fractions if round(f * self.filtering.size) < 1]):
            raise ValueError(f"`filtering` keeps no label of {self.filtering.size} with the fraction {none[0]:g}")
        if self.correction and self.correction.gold > self.correction.size:
            raise ValueError(
                f"`correction` spends {self.correction.gold} gold labels on {self.correction.size} texts: lower `gold`"
            )
        for name in self.corpus_names:
            sizes = self.sizes[name] if isinstance(self.sizes, dict) else self.sizes
            for field, part in (("filtering", self.filtering), ("correction", self.correction)):
                if part and part.size not in sizes:
                    raise ValueError(
                        f"`{field}` takes students of all {part.size} labels of {name} to compare with: add "
                        f"{part.size} to its `sizes`, or choose another `size` in `{field}`"
                    )
        return self

    def shows(self, corpus: str) -> bool:
        """Whether pages may show texts of a corpus: the study allows it, and who builds the book does not forbid it."""
        allowed = self.texts if isinstance(self.texts, bool) else corpus in self.texts
        return allowed and places.texts_allowed()

    @property
    def corpus_names(self) -> list[str]:
        """Names of the corpora, in the order of the file."""
        return [spec if isinstance(spec, str) else str(spec.get("name")) for spec in self.corpora]

    @property
    def annotator_specs(self) -> list[specs.Spec]:
        """What the study says of each annotator, in the order of the file."""
        return [specs.parse(spec) for spec in self.annotators]

    @property
    def annotator_names(self) -> list[str]:
        """Names of the annotators, in the order of the file."""
        return [spec.name for spec in self.annotator_specs]

    def corpus(self, name: str) -> Corpus:
        """Load one of the study's corpora.

        Raises
        ------
        UserError
            If the study has no corpus of that name.
        """
        self._check(name)
        return corpora.load(self.corpora[self.corpus_names.index(name)])

    def _check(self, corpus: str) -> None:
        if corpus not in self.corpus_names:
            raise UserError(f"study {self.name} has no corpus {corpus!r}: it has {', '.join(self.corpus_names)}")

    def annotations(self, corpus: Corpus) -> dict[str, annotations.Annotations]:
        """Every table that the study reads for `corpus`, by its name in label sources; first the annotators' own.

        Raises
        ------
        UserError
            If there is none, or it was made from something else than the study says: `helpers.annotations.lookup`.
        """
        by_name = {spec.name: spec for spec in self.annotator_specs}
        return {
            name: tables.lookup(corpus, name, self.prompt, rows=rows, spec=by_name[labels.annotator_of(name)])
            for name, rows in self.needed_rows(corpus).items()
        }

    def needed_rows(self, corpus: Corpus) -> dict[str, np.ndarray | None]:
        """Name of a table -> positions of the rows that the study reads of it; None for all.

        In the study's own wording that is the whole corpus, for findings look at the test texts too.

        Raises
        ------
        UserError
            If the training pool is too small for the grid.
        """
        needed: dict[str, np.ndarray | None] = dict.fromkeys(self.annotator_names)
        for cell in self._fitting(corpus):
            for table in cell.source.annotators:
                if table in self.annotator_names:
                    continue
                for part in corpus.parts:
                    rows = part.subset(cell.n, draw=cell.drawn)
                    needed[table] = np.union1d(needed.get(table, rows), rows)
        return needed

    def further_tables(self, annotator: str) -> list[str]:
        """Names of an annotator's tables in further wordings; none of one whose labels are ready-made."""
        fixed = {spec.name for spec in self.annotator_specs if isinstance(spec, specs.READ)}
        return [] if annotator in fixed else [f"{annotator}@{wording}" for wording in self.wordings]

    def filtered(self, method: str, annotator: str, keep: float) -> LabelSource:
        """The label source of a filter, with the tables that it reads beside the annotator's own."""
        beside = {
            "prompt_agreement": self.further_tables(annotator),
            "confident": [f"{annotator}@{self.prompt}{annotations.CROSSFIT}"],
        }
        return LabelSource(method, (annotator, *beside.get(method, [])), keep)

    def corrected(self, method: str, annotator: str) -> Cell:
        """The cell of a correction of one annotator's labels, with the gold labels that it spends."""
        spent = self.correction.gold if method in labels.SPEND_GOLD else 0
        return Cell(LabelSource(method, (annotator,), gold=spent), self.correction.size)

    @property
    def ensembles(self) -> list[LabelSource]:
        """Label sources that join several tables: of all annotators, and of all wordings put to each of them."""
        if not self.ensembling:
            return []
        juries: list[tuple[str, ...]] = []
        if "annotators" in self.ensembling.juries and len(self.annotators) > 1:
            juries.append(tuple(self.annotator_names))
        if "wordings" in self.ensembling.juries:
            juries += [(name, *further) for name in self.annotator_names if (further := self.further_tables(name))]
        return [LabelSource(method, jury) for jury in juries for method in self.ensembling.methods]

    def sizes_of(self, corpus: str) -> list[int]:
        """Numbers of training texts of one corpus, ascending.

        Raises
        ------
        UserError
            If the study has no corpus of that name.
        """
        self._check(corpus)
        return self.sizes[corpus] if isinstance(self.sizes, dict) else self.sizes

    def grid(self, corpus: str) -> list[Cell]:
        """Every cell of the study for one corpus, each once; those that need more gold than there is are left out.

        Raises
        ------
        UserError
            If the study has no such corpus, or no size small enough for subsets that are drawn anew.
        """
        sizes = self.sizes_of(corpus)
        alone = [LabelSource("annotator", (name,)) for name in self.annotator_names]
        cells = [Cell(source, n) for n in sizes for source in [LabelSource("gold"), *alone]]
        if self.filtering:
            for share in self.filtering.fractions:
                for source in alone:
                    cells += [
                        Cell(self.filtered(method, *source.annotators, share), self.filtering.size)
                        for method in self.filtering.methods
                    ]
                    cells.append(Cell(source, round(share * self.filtering.size)))
        if self.ensembling:
            cells += [Cell(source, self.ensembling.size) for source in self.ensembles]
        if self.correction:
            names = self.annotator_names
            cells += [self.corrected(method, name) for method in self.correction.methods for name in names]
        if self.controls:
            draws = range(self._control_seeds if self.controls.redraw else 1)
            for method in self.controls.methods:
                for (annotator,) in (source.annotators for source in alone):
                    errors = [LabelSource(method, (annotator,), draw=draw) for draw in draws]
                    cells += [Cell(source, n) for n in sizes for source in errors]
        if self.stability and self.stability.draws:
            n = self.resampled_size(corpus)
            draws = range(1, self.stability.draws + 1)
            cells += [Cell(source, n, drawn) for source in [LabelSource("gold"), *alone] for drawn in draws]
        known = self._n_gold(corpus)

        def possible(cell: Cell) -> bool:
            # A subset that is drawn anew holds texts without gold labels among the others.
            most = 0 if cell.drawn and known < np.inf else known
            needed = cell.n if cell.source.method in labels.NEED_GOLD else cell.source.gold
            return needed <= most

        return [cell for cell in dict.fromkeys(cells) if possible(cell)]

    def _n_gold(self, corpus: str) -> float:
        """Number of training texts with gold labels, infinite where all have one."""
        spec = self.corpora[self.corpus_names.index(corpus)]
        if not isinstance(spec, dict) or spec.get("unlabelled", "drop") == "drop":
            return np.inf  # without loading the corpus
        loaded = self.corpus(corpus)
        return loaded.n_gold if loaded.n_gold < len(loaded.pool) else np.inf

    def resampled_size(self, corpus: str) -> int:
        """Size of the subsets that `stability` draws anew: the largest that is at most half of the pool.

        Raises
        ------
        UserError
            If no size is that small.
        """
        half = len(self.corpus(corpus).pool) // 2
        fitting = [n for n in self.sizes_of(corpus) if n <= half]
        if not fitting:
            raise UserError(
                f"study {self.name}: `stability.draws` takes a size of at most {half}, half of the pool of {corpus}: "
                "add one to `sizes`, or set `draws: 0`"
            )
        return fitting[-1]

    def ensembling_size(self, corpus: str) -> int:
        """Number of labels at which ensembles are looked at: that of `ensembling` if it is a size of the corpus."""
        sizes = self.sizes_of(corpus)
        return self.ensembling.size if self.ensembling and self.ensembling.size in sizes else sizes[-1]

    def affordable(self, corpus: str, source: LabelSource) -> int | None:
        """Largest size that the calls of joined labels pay for with one annotator; None if that is no more texts.

        It may take far fewer calls: the study has students of its `sizes` only.
        """
        return self.larger(corpus, self.ensembling.size, labels.llm_calls(source, self.ensembling.size))

    def larger(self, corpus: str, size: int, budget: int) -> int | None:
        """Largest size of the study that `budget` labels allow; None if that is no more than `size`."""
        most = max((n for n in self.sizes_of(corpus) if n <= budget), default=0)
        return most if most > size else None

    @property
    def most_seeds(self) -> int:
        """Seeds of gold and of annotators at a corpus's largest size; no cell has more."""
        return max(self.seeds, self._control_seeds, self.stability.seeds if self.stability else 1)

    @property
    def _control_seeds(self) -> int:
        return (self.controls.seeds if self.controls else None) or self.seeds

    def seeds_of(self, corpus: str, cell: Cell) -> range:
        """Seeds of the students of one cell."""
        if cell.drawn:
            return range(1)
        if cell.source.draw:
            return range(cell.source.draw, cell.source.draw + 1)
        control = self.controls is not None and cell.source.method in self.controls.methods
        plain = cell.source.method in ("gold", "annotator")
        seeds = self.seeds
        if control:
            seeds = 1 if self.controls.redraw else self._control_seeds
        elif plain and cell.n in self.sizes_of(corpus):
            seeds = max(seeds, self._control_seeds)
        if self.stability and (plain or control) and cell.n == self.sizes_of(corpus)[-1]:
            seeds = max(seeds, self.stability.seeds if plain else self.stability.control_seeds)
        return range(seeds)

    def _fitting(self, corpus: Corpus) -> list[Cell]:
        """The grid, if every training pool has enough texts for it: that is said before anything is labelled."""
        grid, pool = self.grid(corpus.name), min(len(part.pool) for part in corpus.parts)
        if beyond := next((cell for cell in grid if cell.n > pool), None):
            field = "`sizes`" if beyond.n in self.sizes_of(corpus.name) else "`size` in `ensembling`"
            raise UserError(
                f"study {self.name}: a training subset of {beyond.n} texts was asked for, but the pool has {pool} of "
                f"{corpus.name}: lower {field}"
            )
        return grid

    def costs(self, corpus: Corpus) -> list[tuple[Cell, int]]:
        """Cell and cost (`Student.cost`) of each training that the grid spans: known before there is any label.

        Raises
        ------
        UserError
            If the training pool is too small for the grid.
        """
        return [
            (cell, self.student.cost(round(cell.source.keep * cell.n), len(part.test)))
            for cell in self._fitting(corpus)
            for part in corpus.parts
            for _ in self.seeds_of(corpus.name, cell)
        ]

    def runs(self, corpus: str) -> list["Run"]:
        """All runs of the study on one corpus: the cells of the grid in order, its folds in each, and their seeds.

        Raises
        ------
        UserError
            As `grid` and `annotations` do, or if a label source leaves no text to train on.
        """
        loaded = self.corpus(corpus)
        found = self.annotations(loaded)
        runs = []
        for cell in self.grid(corpus):
            used = {name: found[name] for name in cell.source.annotators}
            seeds = self.seeds_of(corpus, cell)
            for part in loaded.parts:
                rows = part.subset(cell.n, draw=cell.drawn)
                made = labels.make(cell.source, Subset(rows, part.gold[rows], used, len(part.labels)))
                runs += [Run(part, cell.source, cell.n, seed, self.student, made, cell.drawn) for seed in seeds]
        return runs

    def runs_by_key(self, corpora: list[str] | None = None) -> dict[str, "Run"]:
        """Key -> run, each content once, in the order of the grid; of some corpora or all. Raises what `runs` does."""
        found: dict[str, Run] = {}
        for corpus in corpora or self.corpus_names:
            for run in self.runs(corpus):
                found.setdefault(run.key, run)
        return found


@dataclass(frozen=True)
class Run:
    """One training, ready to start."""

    corpus: Corpus
    source: LabelSource
    n: int
    seed: int
    student: Student
    made: Targets
    drawn: int = 0

    @property
    def cell(self) -> Cell:
        """Where in the grid the run is."""
        return Cell(self.source, self.n, self.drawn)

    @cached_property
    def key(self) -> str:
        """sha256 of everything that the run's result depends on."""
        from helpers.students import encoders

        digest = hashlib.sha256()
        settings = self.student.model_dump() | {
            "encoder": encoders.fingerprint(self.student.encoder),
            "seed": self.seed,
            "version": students.VERSION,
        }
        digest.update(json.dumps(settings, sort_keys=True).encode())
        for rows in (self.made.rows, self.corpus.test):
            digest.update(len(rows).to_bytes(8, "little"))
            digest.update(b"".join(self.corpus.encoded[rows]))
        digest.update(np.ascontiguousarray(self.made.targets, dtype="<f4").tobytes())
        return digest.hexdigest()

    @property
    def specification(self) -> dict:
        """What a reader needs to know of the run, as plain data."""
        # Only where it is not the nested subset, or the first draw: runs of that kind were written before others were.
        drawn = {"drawn": self.drawn} if self.drawn else {}
        source = asdict(self.source) | {"annotators": list(self.source.annotators)}
        for field in ("draw", "gold"):
            if not source[field]:
                del source[field]
        fold = {} if self.corpus.part is None else {"fold": self.corpus.part}
        return {
            "corpus": self.corpus.name,
            "source": source,
            "n": self.n,
            "n_train": len(self.made.rows),
            "seed": self.seed,
            "student": self.student.model_dump(),
            **drawn,
            **fold,
        }

    @property
    def cost(self) -> int:
        """See `Student.cost`."""
        return self.student.cost(len(self.made.rows), len(self.corpus.test))

    def __str__(self) -> str:
        fold = "" if self.corpus.part is None else f", fold {self.corpus.part}"
        return f"{self.corpus.name}, {self.cell}, seed {self.seed}{fold}"


def load(file: Path | str) -> Study:
    """Read a study file.

    Raises
    ------
    UserError
        If the file is missing, is not YAML, or says something that a study cannot say; the message names the field.
    """
    file = Path(file)
    # A notebook runs in its own folder, and a user types the path from the top of the checkout.
    found = file if file.is_absolute() or file.exists() else places.ROOT / file
    try:
        content = yaml.safe_load(found.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(f"studies/{f.name}" for f in sorted((places.ROOT / "studies").glob("*.yml")))
        raise UserError(f"there is no study {file}: the shipped ones are {known}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # a ValueError: a date that there is not
        raise UserError(f"{file} cannot be read as YAML: {_without_lines(error)}") from None
    return read(content, str(file))


def _without_lines(error: Exception) -> str:
    """What is wrong with a file and where; its lines, of which one may hold a key, are not repeated."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    # Names of aliases and tags are from the file, too: a password may begin with * or !.
    problem = re.sub(r"\b(alias|anchor|tag|handle)\b.*", r"\1", error.problem or "it is damaged", flags=re.DOTALL)
    mark = error.problem_mark
    return problem if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def read(content: object, file: str) -> Study:
    """A study from plain data; `file` is what a message calls it.

    Raises
    ------
    UserError
        If it says something that a study cannot say; the message names the field.
    """
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        where, what = wrong_field(error, Study)
        at = f"{'.'.join(map(str, where))}: " if where else ""
        raise UserError(f"{file}: {at}{what}") from None
