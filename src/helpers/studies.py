"""Studies: a YAML file that spans a grid of runs, and the runs it spans.

A *run* is one training: corpus, label source, number of texts, seed, student. Its key is the hash of all that its
result depends on (texts, targets, encoder, hyper-parameters, seed, version of the training code), so a run is never
repeated, whatever study or name asks for it, and never mistaken for another.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from helpers import annotations, annotators, corpora, labels, places, prompts, students
from helpers.corpora import Corpus
from helpers.errors import UserError
from helpers.labels import LabelSource, Pool, Targets
from helpers.students import Student

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Filtering(BaseModel):
    """Entropy filtering of `size` labels, against random subsets of the same size.

    A random subset is the nested training subset of that size, so it needs runs of its own only where `fractions` and
    `sizes` do not meet.
    """

    model_config = _STRICT

    size: int = Field(gt=0)
    fractions: list[Annotated[float, Field(gt=0, lt=1)]] = Field(min_length=1)


class Ensembling(BaseModel):
    """Votes over the annotators at `size` labels. Ensembles of students need no runs of their own."""

    model_config = _STRICT

    size: int = Field(gt=0)


class Controls(BaseModel):
    """Gold with random errors at each annotator's rate, over all sizes: is it their rate, or their place?"""

    model_config = _STRICT

    methods: list[Literal["uniform", "class_conditional", "shuffled"]] = Field(min_length=1)


class Study(BaseModel):
    """A grid of runs, as a study file describes it.

    Attributes
    ----------
    corpora
        Built-in names, or mappings that describe a table (`helpers.corpora.tables.load`).
    annotators
        What `helpers.annotators.load` understands, weakest first.
    sizes
        Numbers of training texts, ascending; subsets are nested.
    seeds
        Number of seeds, 0..seeds-1.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    corpora: list[str | dict[str, Any]] = Field(min_length=1)
    annotators: list[str] = []
    prompt: str = "prompt1"
    sizes: Annotated[list[Annotated[int, Field(gt=0)]], BeforeValidator(lambda v: sorted(set(v)))] = Field(min_length=1)
    seeds: int = Field(3, ge=1)
    student: Student = Student()
    filtering: Filtering | None = None
    ensembling: Ensembling | None = None
    controls: Controls | None = None

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Study":
        for what, names in [("corpora", self.corpus_names), ("annotators", self.annotator_names)]:
            if len(set(names)) < len(names):
                raise ValueError(f"two of the {what} have the same name: {', '.join(names)}")
        return self

    @property
    def corpus_names(self) -> list[str]:
        """Names of the corpora, in the order of the file."""
        return [spec if isinstance(spec, str) else str(spec.get("name")) for spec in self.corpora]

    @property
    def annotator_names(self) -> list[str]:
        """Names of the annotators, in the order of the file."""
        return [annotators.name_of(spec) for spec in self.annotators]

    def corpus(self, name: str) -> Corpus:
        """Load one of the study's corpora.

        Raises
        ------
        UserError
            If the study has no corpus of that name.
        """
        if name not in self.corpus_names:
            raise UserError(f"study {self.name} has no corpus {name!r}: it has {', '.join(self.corpus_names)}")
        return corpora.load(self.corpora[self.corpus_names.index(name)])

    def annotations(self, corpus: Corpus) -> dict[str, annotations.Annotations]:
        """Annotator -> its table for `corpus`."""
        prompt = prompts.render(corpus, self.prompt)
        return {name: annotations.lookup(corpus, name, prompt) for name in self.annotator_names}

    def grid(self) -> list[tuple[LabelSource, int]]:
        """Every (label source, size) of the study, each once; the same for all corpora."""
        alone = [LabelSource("annotator", (name,)) for name in self.annotator_names]
        cells = [(source, n) for n in self.sizes for source in [LabelSource("gold"), *alone]]
        if self.filtering:
            for share in self.filtering.fractions:
                for source in alone:
                    cells.append((LabelSource("entropy", source.annotators, share), self.filtering.size))
                    cells.append((source, round(share * self.filtering.size)))
        if self.ensembling and len(alone) > 1:
            cells.append((LabelSource("vote", tuple(self.annotator_names)), self.ensembling.size))
        if self.controls:
            for method in self.controls.methods:
                for source in alone:
                    cells += [(LabelSource(method, source.annotators), n) for n in self.sizes]
        return list(dict.fromkeys(cells))

    def runs(self, corpus: str) -> list["Run"]:
        """All runs of the study on one corpus, the cells of the grid in order, all seeds of a cell together."""
        loaded = self.corpus(corpus)
        tables = self.annotations(loaded)
        runs = []
        for source, n in self.grid():
            rows = loaded.subset(n)
            used = {name: tables[name] for name in source.annotators}
            made = labels.make(source, Pool(rows, loaded.gold[rows], used, len(loaded.labels)))
            runs += [Run(loaded, source, n, seed, self.student, made) for seed in range(self.seeds)]
        return runs

    def runs_by_key(self, corpora: list[str] | None = None) -> dict[str, "Run"]:
        """Key -> run, each content once, in the order of the grid; of some corpora, or of all."""
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
            for text in self.corpus.rows["text"].to_numpy()[rows]:
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(np.ascontiguousarray(self.made.targets, dtype="<f4").tobytes())
        return digest.hexdigest()

    @property
    def specification(self) -> dict:
        """What a reader needs to know of the run, as plain data."""
        return {
            "corpus": self.corpus.name,
            "source": asdict(self.source) | {"annotators": list(self.source.annotators)},
            "n": self.n,
            "n_train": len(self.made.rows),
            "seed": self.seed,
            "student": self.student.model_dump(),
        }

    @property
    def cost(self) -> int:
        """Passes of one text through the student: three a training text (forward, twice that back), one a test text."""
        return 3 * self.student.steps(len(self.made.rows)) * self.student.batch_size + len(self.corpus.test)

    def __str__(self) -> str:
        return f"{self.corpus.name}, {self.source}, n={self.n}, seed {self.seed}"


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
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from None
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{file}: {where}: {first['msg']}") from None
