"""Study files and the runs they span."""

import pytest
import yaml

from helpers import places, studies
from helpers.errors import UserError
from helpers.labels import LabelSource

MINIMAL = {"name": "s", "corpora": ["tweets"], "sizes": [50, 100]}


def write(folder, **changes):
    file = folder / "study.yml"
    file.write_text(yaml.safe_dump(MINIMAL | changes), encoding="utf-8")
    return file


@pytest.mark.parametrize("file", sorted((places.ROOT / "studies").glob("*.yml")), ids=lambda f: f.stem)
def test_shipped_studies_load(file):
    assert studies.load(file).name == file.stem


def test_grid_holds_every_cell_once(tmp_path):
    study = studies.load(
        write(
            tmp_path,
            annotators=["smollm2-135m", "gguf:models/My Model.gguf"],
            filtering={"size": 100, "fractions": [0.5, 0.8]},
            ensembling={"size": 100},
        )
    )
    a, b = (LabelSource("annotator", (name,)) for name in ("smollm2-135m", "My-Model"))
    grid = study.grid()
    assert len(grid) == len(set(grid))
    # Half of 100 is the size 50 that the curve has already; .8 of 100 is not.
    assert {n for source, n in grid if source == a} == {50, 80, 100}
    assert (LabelSource("entropy", b.annotators, 0.8), 100) in grid
    assert (LabelSource("vote", ("smollm2-135m", "My-Model")), 100) in grid
    assert (LabelSource("gold"), 80) not in grid


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": []}, "sizes"),
        ({"sizes": [0]}, "sizes"),
        ({"sizes": "many"}, "sizes"),
        ({"corpora": []}, "corpora"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"student": {"epochs": 0}}, "student.epochs"),
        ({"student": {"kind": "wizard"}}, "student.kind"),
        ({"seeds": 0}, "seeds"),
        ({"name": "../evil"}, "name"),
        ({"corpora": ["tweets", "tweets"]}, "two of the corpora have the same name"),
        ({"annotators": ["hf:a/x", "hf:b/x"]}, "two of the annotators have the same name"),
        ({"filtering": {"size": 10, "fractions": [1.5]}}, "filtering.fractions"),
    ],
)
def test_a_bad_study_names_the_field(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        studies.load(write(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"a: [", b"just a word", b""])
def test_what_is_not_a_study_says_so(tmp_path, content):
    file = tmp_path / "study.yml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"study\.yml"):
        studies.load(file)


def test_a_missing_study_lists_the_shipped_ones(tmp_path):
    with pytest.raises(UserError, match=r"studies/quick\.yml"):
        studies.load(tmp_path / "none.yml")


def test_python_tags_in_yaml_are_not_executed(tmp_path):
    file = tmp_path / "study.yml"
    file.write_text(f"name: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'owned'}]\n", encoding="utf-8")
    with pytest.raises(UserError):
        studies.load(file)
    assert not (tmp_path / "owned").exists()


def test_runs_have_keys_of_their_content(tmp_path):
    runs = studies.load(write(tmp_path, seeds=2)).runs("tweets")
    again = studies.load(write(tmp_path, seeds=2, name="renamed")).runs("tweets")
    assert len({run.key for run in runs}) == len(runs) == 4
    assert [run.key for run in runs] == [run.key for run in again]
    # Whatever changes what is computed changes every key.
    for change in ({"epochs": 4}, {"learning_rate": 3e-4}, {"kind": "probe"}):
        other = studies.load(write(tmp_path, seeds=2, student=change)).runs("tweets")
        assert not {run.key for run in runs} & {run.key for run in other}


def test_controls_stand_beside_every_annotator_at_every_size(tmp_path):
    both = ["smollm2-135m", "qwen2.5-coder-0.5b"]
    plain = studies.load(write(tmp_path, annotators=both)).grid()
    study = studies.load(write(tmp_path, annotators=both, controls={"methods": ["uniform", "shuffled"]}))
    added = study.grid()[len(plain) :]
    assert study.grid()[: len(plain)] == plain
    assert {(s.method, s.annotators, n) for s, n in added} == {
        (method, (name,), n) for method in ("uniform", "shuffled") for name in both for n in (50, 100)
    }


def test_too_large_a_subset_says_how_large_the_pool_is(tmp_path):
    with pytest.raises(UserError, match="the pool has 3004"):
        studies.load(write(tmp_path, sizes=[100_000])).runs("tweets")


def test_an_unknown_corpus_lists_the_known(tmp_path):
    with pytest.raises(UserError, match="movie, amazon, tweets, editorials"):
        studies.load(write(tmp_path, corpora=["moviez"])).runs("moviez")
    with pytest.raises(UserError, match="it has tweets"):
        studies.load(write(tmp_path)).corpus("movie")
