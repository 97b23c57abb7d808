"""Study files and the runs they span."""

import hashlib

import pandas as pd
import pytest
import yaml
from conftest import sentences

from helpers import places, studies
from helpers.errors import UserError
from helpers.labels import LabelSource
from helpers.ledger import Ledger
from helpers.studies import Cell

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
    grid = study.grid("tweets")
    assert len(grid) == len(set(grid))
    # Half of 100 is the size 50 that the curve has already; .8 of 100 is not.
    assert {cell.n for cell in grid if cell.source == a} == {50, 80, 100}
    assert Cell(LabelSource("entropy", b.annotators, 0.8), 100) in grid
    assert Cell(LabelSource("vote", ("smollm2-135m", "My-Model")), 100) in grid
    assert Cell(LabelSource("gold"), 80) not in grid


def test_corrections_spend_gold_where_they_need_some(tmp_path):
    correction = {"size": 100, "methods": ["soft", "calibrated"], "gold": 30}
    study = studies.load(write(tmp_path, annotators=["smollm2-135m"], correction=correction))
    soft, calibrated = (
        LabelSource(method, ("smollm2-135m",), gold=gold) for method, gold in (("soft", 0), ("calibrated", 30))
    )
    assert {Cell(soft, 100), Cell(calibrated, 100)} <= {*study.grid("tweets")}
    assert str(calibrated) == "calibrated of smollm2-135m, 30 gold labels"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": []}, "sizes"),
        ({"sizes": [0]}, "sizes"),
        ({"sizes": "many"}, "sizes: .*expected a list of numbers of texts, each 1 or more, not 'many'"),
        ({"sizes": [50, True]}, "sizes"),
        ({"sizes": {}}, "`sizes` names the corpora , and the study has tweets"),
        ({"sizes": {"tweets": []}}, "sizes"),
        (
            {"sizes": {"tweets": [50], "movie": [50]}},
            "`sizes` names the corpora movie, tweets, and the study has tweets",
        ),
        (
            {"filtering": {"size": 10, "fractions": [0.5], "methods": ["wisdom"]}},
            "filtering.methods.*'wisdom'.*entropy",
        ),
        (
            {"filtering": {"size": 10, "fractions": [0.5], "methods": ["agreement"]}},
            "no filter is called 'agreement': the known ones are entropy, class_entropy, margin, prompt_agreement,",
        ),
        ({"filtering": {"size": 10, "fractions": [0.02, 0.5]}}, "keeps no label of 10 with the fraction 0.02"),
        ({"ensembling": {"size": 10, "methods": ["entropy"]}}, "no way to join labels is called 'entropy'"),
        ({"ensembling": {"size": 10, "methods": []}}, "ensembling.methods"),
        ({"ensembling": {"size": 10, "juries": []}}, "ensembling.juries"),
        ({"ensembling": {"size": 10, "juries": ["prompts"]}}, "ensembling.juries"),
        ({"controls": {"methods": ["entropy"]}}, "controls.methods"),
        ({"stability": {"seeds": 1}}, "stability.seeds"),
        ({"stability": {"controls": 1}}, "stability.controls"),
        ({"corpora": []}, "corpora"),
        ({"colour": "red"}, r"study\.yml: there is no field 'colour'$"),
        ({"seed": 3}, r"study\.yml: there is no field 'seed'; is it 'seeds'\?"),
        ({"student": {"encodr": "minilm"}}, r"student: there is no field 'encodr'; is it 'encoder'\?"),
        ({"filtering": {"size": 10, "fraction": [0.5]}}, "filtering.*: "),
        ({"controls": {}}, "controls.methods: it is missing"),
        ({"student": {"epochs": 0}}, "student.epochs"),
        ({"student": {"kind": "wizard"}}, "student.kind"),
        ({"seeds": 0}, "seeds"),
        ({"name": "../evil"}, "name"),
        ({"corpora": ["tweets", "tweets"]}, "two of the corpora have the same name"),
        ({"corpora": ["tweets", {"name": "Tweets"}]}, "two of the corpora have the same name: tweets, Tweets"),
        ({"annotators": ["hf:a/x", "hf:b/x"]}, "annotators: .*two of the annotators have the same name"),
        ({"annotators": [{"openai": "m", "samples": 0}]}, "annotators: .*annotator openai:m: samples: "),
        ({"filtering": {"size": 10, "fractions": [1.5]}}, "filtering.fractions"),
    ],
)
def test_a_bad_study_names_the_field(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        studies.load(write(tmp_path, **changes))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"{", b"a: [", b"just a word", b"", b"name: 2024-02-30", b"[" * 9000]
)
def test_what_is_not_a_study_says_so(tmp_path, content):
    file = tmp_path / "study.yml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"study\.yml"):
        studies.load(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: s\n  api_key: hunter2", r"line 2, column 10: mapping values are not allowed here"),
        ("name: [\n  api_key: hunter2 ]]", r"line 2, column 21: expected <block end>, but found '\]'"),
        ("name: s\npassword: *hunter2", "line 2, column 11: found undefined alias$"),
        ("name: s\npassword: !hunter2 x", "line 2, column 11: could not determine a constructor for the tag$"),
    ],
)
def test_lines_of_a_file_that_is_no_yaml_are_not_repeated(tmp_path, content, said):
    """One of them may hold a key."""
    file = tmp_path / "study.yml"
    file.write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        studies.load(file)
    assert "hunter2" not in str(caught.value)


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
    plain = studies.load(write(tmp_path, annotators=both)).grid("tweets")
    study = studies.load(write(tmp_path, annotators=both, controls={"methods": ["uniform", "shuffled"]}))
    added = study.grid("tweets")[len(plain) :]
    assert study.grid("tweets")[: len(plain)] == plain
    assert {(cell.source.method, cell.source.annotators, cell.n) for cell in added} == {
        (method, (name,), n) for method in ("uniform", "shuffled") for name in both for n in (50, 100)
    }


def test_too_large_a_subset_says_how_large_the_pool_is(tmp_path):
    with pytest.raises(UserError, match="of 100000 texts was asked for, but the pool has 3004 of tweets: lower `si"):
        studies.load(write(tmp_path, sizes=[100_000])).runs("tweets")
    both, ensembling = ["smollm2-135m", "qwen2.5-coder-0.5b"], {"size": 9000}
    with pytest.raises(UserError, match="has 3004 of tweets: lower `size` in `ensembling`"):
        studies.load(write(tmp_path, annotators=both, ensembling=ensembling)).runs("tweets")


def test_an_unknown_corpus_lists_the_known(tmp_path):
    with pytest.raises(UserError, match="movie, amazon, tweets, editorials"):
        studies.load(write(tmp_path, corpora=["moviez"])).runs("moviez")
    with pytest.raises(UserError, match="it has tweets"):
        studies.load(write(tmp_path)).corpus("movie")


def test_every_run_of_the_default_study_is_shipped_under_its_key():
    """Whatever is rebuilt around them: what was trained once stays trained."""
    study = studies.load(places.ROOT / "studies/default.yml")
    shipped = Ledger(own=places.ROOT / "none").committed
    assert len(shipped) >= 348
    assert [str(run) for key, run in study.runs_by_key().items() if key not in shipped] == []


CONTROLS = {
    "movie": "6a44010924b19a30ee40fddd059cc1f23cd6101747be8bb6f33fff98245d41ba",
    "amazon": "dd049eb6003bb693626b40545e0e260eb271dae6998d59332f20b579808bfc0c",
    "tweets": "1f1512d20652b9c7f04690cb2d38e781fddbbceca979584d35ef4b8c672ab38f",
    "editorials": "0aeb47b775a17a5c563a6432a220fa7b61af1d933995884fb01a5bb513aabd85",
}


@pytest.mark.parametrize("corpus", CONTROLS)
def test_the_controls_of_the_default_study_keep_their_keys(corpus):
    """At the sizes and seeds that it had when they were first trained."""
    study = studies.load(places.ROOT / "studies/default.yml")
    methods = ["shuffled", "uniform", "class_conditional"]
    plan = {
        "sizes": [250, 500, 1000, 2000],
        "seeds": 3,
        "controls": studies.Controls(methods=methods, redraw=False),
        "stability": None,
    }
    runs = study.model_copy(update=plan).runs(corpus)
    keys = sorted({run.key for run in runs if run.source.method in methods})
    assert len(keys) == 108
    assert hashlib.sha256("".join(keys).encode()).hexdigest() == CONTROLS[corpus]


def test_sizes_may_differ_by_corpus(tmp_path):
    sizes = {"tweets": [100, 50, 50], "amazon": [70]}
    study = studies.load(write(tmp_path, corpora=["tweets", "amazon"], sizes=sizes, seeds=1))
    assert study.sizes_of("tweets") == [50, 100]
    assert study.grid("tweets") == [Cell(LabelSource("gold"), 50), Cell(LabelSource("gold"), 100)]
    assert [run.n for run in study.runs_by_key().values()] == [50, 100, 70]
    with pytest.raises(UserError, match="has no corpus 'moviez'"):
        study.sizes_of("moviez")


def test_methods_of_filters_and_of_votes_are_asked_for_by_name(tmp_path):
    both = ["smollm2-135m", "qwen2.5-coder-0.5b"]
    filtering = {"size": 100, "fractions": [0.5], "methods": ["entropy", "margin"]}
    ensembling = {"size": 100, "methods": ["vote", "mean"]}
    grid = studies.load(write(tmp_path, annotators=both, filtering=filtering, ensembling=ensembling)).grid("tweets")
    assert {(c.source.method, c.source.annotators) for c in grid if c.source.keep < 1} == {
        (method, (name,)) for method in ("entropy", "margin") for name in both
    }
    assert [c.source.method for c in grid if len(c.source.annotators) == 2] == ["vote", "mean"]


def test_filters_and_ensembles_read_further_wordings_and_second_opinions(tmp_path):
    study = studies.load(
        write(
            tmp_path,
            annotators=["hf:x/a", "hf:x/b"],
            wordings=["prompt2", "reversed"],
            filtering={"size": 100, "fractions": [0.5], "methods": ["margin", "prompt_agreement", "confident"]},
            ensembling={"size": 50, "methods": ["mean"]},
        )
    )
    sources = {(c.source, c.n) for c in study.grid("tweets") if c.source.method not in ("gold", "annotator")}
    expected = {(LabelSource("mean", ("a", "b")), 50)}
    for name in ("a", "b"):
        asked = (name, f"{name}@prompt2", f"{name}@reversed")
        expected |= {
            (LabelSource("margin", (name,), 0.5), 100),
            (LabelSource("prompt_agreement", asked, 0.5), 100),
            (LabelSource("confident", (name, f"{name}@prompt1-crossfit"), 0.5), 100),
            (LabelSource("mean", asked), 50),
        }
    assert sources == expected
    corpus = study.corpus("tweets")
    needed = study.needed_rows(corpus)
    assert list(needed)[:2] == ["a", "b"]
    assert needed.pop("a") is needed.pop("b") is None  # the study's own wording: all rows
    assert set(needed) == {f"{name}@{what}" for name in "ab" for what in ("prompt2", "reversed", "prompt1-crossfit")}
    for rows in needed.values():
        assert rows.tolist() == sorted(corpus.subset(100))


@pytest.mark.parametrize(
    ("juries", "joined"),
    [
        (["annotators"], {("a", "b")}),
        (["wordings"], {("a", "a@prompt2"), ("b", "b@prompt2")}),
        (["wordings", "annotators"], {("a", "b"), ("a", "a@prompt2"), ("b", "b@prompt2")}),
    ],
)
def test_ensembles_join_annotators_or_wordings_or_both(tmp_path, juries, joined):
    annotators, wordings = ["hf:x/a", "hf:x/b"], ["prompt2"]
    ensembling = {"size": 50, "methods": ["vote", "mean"], "juries": juries}
    study = studies.load(write(tmp_path, annotators=annotators, wordings=wordings, ensembling=ensembling))
    assert {*study.ensembles} == {LabelSource(method, jury) for method in ("vote", "mean") for jury in joined}


def test_no_wording_changes_labels_that_are_ready_made(tmp_path):
    annotators = ["hf:x/a", "ready:b", "replay:c.csv"]
    options = {"annotators": annotators, "wordings": ["prompt2"], "ensembling": {"size": 50}}
    study = studies.load(write(tmp_path, **options))
    assert {source.annotators for source in study.ensembles} == {("a", "b", "c"), ("a", "a@prompt2")}
    filtering = {"size": 100, "fractions": [0.5], "methods": ["prompt_agreement"]}
    with pytest.raises(UserError, match="asks in other wordings, and the labels of b, c are ready-made"):
        studies.load(write(tmp_path, **options, filtering=filtering))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wordings": ["prompt1"]}, "`wordings` are further ones"),
        ({"wordings": ["prompt2", "prompt2"]}, "`wordings` are further ones"),
        (
            {"filtering": {"size": 9, "fractions": [0.5], "methods": ["prompt_agreement"]}},
            "`prompt_agreement` takes further wordings",
        ),
        ({"filtering": {"size": 9, "fractions": [0.5]}}, "`filtering` takes students of all 9 labels of .*: add 9 to"),
        ({"correction": {"size": 9, "gold": 5}}, "`correction` takes students of all 9 labels of .*: add 9 to"),
        ({"correction": {"size": 50, "gold": 60}}, "`correction` spends 60 gold labels on 50 texts: lower `gold`"),
        ({"correction": {"size": 50, "methods": ["entropy"]}}, "no correction is called 'entropy'"),
    ],
)
def test_parts_of_a_study_fit_together(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        studies.load(write(tmp_path, **changes))


def test_stability_adds_seeds_at_the_largest_size_and_subsets_drawn_anew(tmp_path):
    study = studies.load(
        write(
            tmp_path,
            annotators=["smollm2-135m"],
            seeds=2,
            filtering={"size": 100, "fractions": [0.5]},
            controls={"methods": ["shuffled"], "seeds": 3, "redraw": False},
            stability={"seeds": 4, "draws": 2},
            sizes=[50, 100, 1502, 1503],
        )
    )
    grid = study.grid("tweets")
    count = {str(cell): len(study.seeds_of("tweets", cell)) for cell in grid}
    assert count["gold, n=1503"] == count["smollm2-135m, n=1503"] == count["shuffled of smollm2-135m, n=1503"] == 4
    assert count["entropy 0.5 of smollm2-135m, n=100"] == 2
    # Random errors are compared with gold and with the annotator's own seed by seed.
    assert count["shuffled of smollm2-135m, n=50"] == count["gold, n=50"] == count["smollm2-135m, n=50"] == 3
    # The pool of 3004 holds two subsets of 1502 that share nothing, and not of 1503.
    assert [cell for cell in grid if cell.drawn] == [
        Cell(LabelSource(method, who), 1502, k)
        for method, who in (("gold", ()), ("annotator", ("smollm2-135m",)))
        for k in (1, 2)
    ]
    runs = study.runs("tweets")
    assert len(runs) == sum(count.values())
    (drawn,) = (run for run in runs if str(run) == "tweets, gold, n=1502, subset 2, seed 0")
    assert drawn.specification["drawn"] == 2
    assert "drawn" not in runs[0].specification
    assert len({run.key for run in runs if run.n == 1502}) == 2 * (2 + 3) + 3


@pytest.mark.parametrize(("seeds", "of_controls"), [(None, 2), (3, 3), (5, 5)])
def test_stability_may_leave_controls_with_the_seeds_of_the_other_sizes(tmp_path, seeds, of_controls):
    study = studies.load(
        write(
            tmp_path,
            annotators=["smollm2-135m"],
            seeds=2,
            controls={"methods": ["shuffled"], "seeds": seeds, "redraw": False},
            stability={"seeds": 4, "controls": False},
            sizes=[50, 100],
        )
    )
    count = {str(cell): len(study.seeds_of("tweets", cell)) for cell in study.grid("tweets")}
    assert count["gold, n=100"] == count["smollm2-135m, n=100"] == max(4, of_controls)
    assert count["gold, n=50"] == count["smollm2-135m, n=50"] == max(2, of_controls)
    assert count["shuffled of smollm2-135m, n=50"] == count["shuffled of smollm2-135m, n=100"] == of_controls


@pytest.mark.parametrize(
    ("stable", "at_most"),
    [
        (None, [0]),
        ({"seeds": 4}, [0, 1, 2, 3]),
        ({"seeds": 4, "controls": 2}, [0, 1]),
        ({"seeds": 4, "controls": False}, [0]),
    ],
)
def test_every_seed_of_a_control_has_a_draw_of_its_own(tmp_path, stable, at_most):
    study = studies.load(
        write(
            tmp_path,
            annotators=["smollm2-135m"],
            seeds=2,
            controls={"methods": ["shuffled"], "seeds": 3},
            stability=stable,
            sizes=[50, 100],
        )
    )
    seeds = {str(cell): [*study.seeds_of("tweets", cell)] for cell in study.grid("tweets")}
    for n, first in ((50, [0]), (100, at_most)):
        assert seeds[f"shuffled of smollm2-135m, n={n}"] == first
        assert seeds[f"shuffled of smollm2-135m, draw 1, n={n}"] == [1]
        assert seeds[f"shuffled of smollm2-135m, draw 2, n={n}"] == [2]
    assert seeds["gold, n=50"] == seeds["smollm2-135m, n=50"] == [0, 1, 2]
    runs = {str(run): run for run in study.runs("tweets")}
    first, second = (
        runs[f"tweets, shuffled of smollm2-135m{draw}, n=100, seed {i}"] for i, draw in enumerate(("", ", draw 1"))
    )
    assert second.specification["source"]["draw"] == 1
    assert "draw" not in first.specification["source"]
    assert first.made.targets.sum(axis=0).tolist() == second.made.targets.sum(axis=0).tolist()
    assert (first.made.targets != second.made.targets).any()


def test_subsets_drawn_anew_take_a_size_that_is_half_of_the_pool_at_most(tmp_path):
    study = studies.load(write(tmp_path, sizes=[2000], stability={"draws": 1}))
    with pytest.raises(UserError, match=r"at most 1502, half of the pool of tweets: add one to `sizes`, or .*draws: 0"):
        study.grid("tweets")


@pytest.mark.parametrize("labelled", [120, 100])
def test_subsets_drawn_anew_have_gold_where_every_text_has(tmp_path, labelled):
    """Also where rows without a label would be kept: an option that stayed when the last of them were labelled."""
    texts = [f"{i} {text}" for i, (text, _) in enumerate(sentences(120))]
    labels = [("bad", "good")[i % 2] if i < labelled else None for i in range(120)]
    pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / "a.csv", index=False)
    corpus = {"name": "a", "path": str(tmp_path / "a.csv"), "text": "text", "label": "label", "unlabelled": "keep"}
    study = studies.load(write(tmp_path, corpora=[corpus], sizes=[20], stability={"draws": 2}))
    drawn = [(cell.source.method, cell.drawn) for cell in study.grid("a") if cell.drawn]
    assert drawn == ([("gold", 1), ("gold", 2)] if labelled == 120 else [])
