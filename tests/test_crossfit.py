"""Second opinions: a classifier that has not seen a label says what it thinks of it."""

import numpy as np
import pytest
from conftest import make_corpus, sentences
from sklearn.linear_model import LogisticRegression

from helpers import annotations, crossfit, labels, prompts
from helpers.errors import UserError
from helpers.labels import LabelSource, Subset, tables
from helpers.students import probe


def blobs(n=300, classes=3, wrong=0.1):
    """Texts of clear classes in five dimensions, a tenth of whose labels are wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, n)
    vectors = rng.normal(0, 0.3, (n, 5)) + np.eye(5)[truth]
    flip = rng.random(n) < wrong
    return vectors, truth, np.where(flip, (truth + 1) % classes, truth)


def test_wrong_labels_get_little_probability():
    vectors, truth, said = blobs()
    probs = crossfit.out_of_sample(vectors, said, 3)
    assert probs.sum(1) == pytest.approx(1)
    own = probs[np.arange(len(said)), said]
    assert own[said != truth].mean() < 0.3 < 0.7 < own[said == truth].mean()
    assert (probs == crossfit.out_of_sample(vectors, said, 3)).all()


def test_no_text_is_judged_by_a_classifier_that_has_seen_it():
    """A label that no vector explains is learnt by heart in sample, and not out of it."""
    rng = np.random.default_rng(1)
    vectors, said = rng.normal(size=(60, 200)), rng.integers(0, 2, 60)
    seen = LogisticRegression(C=10.0, max_iter=1000).fit(vectors, said).predict_proba(vectors)
    unseen = crossfit.out_of_sample(vectors, said, 2)
    at = np.arange(60), said
    assert seen[at].mean() > 0.95
    assert unseen[at].mean() < 0.65


def test_equal_texts_share_a_fold():
    """Else the classifier has seen the other one's label, which an annotator gives alike."""
    rng = np.random.default_rng(2)
    vectors, said = rng.normal(size=(100, 300)), rng.integers(0, 2, 100)
    twice, both = np.repeat(vectors, 2, axis=0), np.repeat(said, 2)
    at = np.arange(200), both
    assert crossfit.out_of_sample(twice, both, 2)[at].mean() > 0.7
    assert crossfit.out_of_sample(twice, both, 2, groups=np.repeat(np.arange(100), 2))[at].mean() < 0.6
    alone = crossfit.out_of_sample(vectors, said, 2, groups=rng.permutation(100))
    assert np.array_equal(alone, crossfit.out_of_sample(vectors, said, 2))


@pytest.mark.parametrize("said", [[0, 0, 1], [2] * 9, [0] * 8 + [1]])
def test_too_few_texts_or_classes_are_no_error(said):
    probs = crossfit.out_of_sample(np.random.default_rng(0).normal(size=(len(said), 2)), np.array(said), 3)
    assert probs.sum(1) == pytest.approx(1)


def test_a_table_is_written_found_and_filtered_by(tmp_path, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path))
    corpus = make_corpus([text for text, _ in sentences(100)])
    rows, prompt = corpus.subset(60), prompts.render(corpus)
    vectors, truth, said = blobs(len(corpus.rows), 2)
    monkeypatch.setattr(probe, "embeddings", lambda *_: vectors)
    monkeypatch.setattr(crossfit.encoders, "fingerprint", lambda _: "0" * 64)
    folder = tmp_path / "annotations"
    logp = np.log(np.eye(2)[said] * 0.8 + 0.1)
    logp[rows[0]] = np.nan
    annotations.write(
        corpus, "words", prompt, logp, folder=folder, rows=np.arange(len(said)), provenance={"model_hash": "1" * 64}
    )
    second = tables.wording(corpus, "words@prompt1-crossfit", "prompt1")
    file = crossfit.write(corpus, "words", second, rows=rows, folder=folder)
    assert file.name == "words.prompt1-crossfit.parquet"
    names = ("words", "words@prompt1-crossfit")
    found = {name: tables.lookup(corpus, name, "prompt1", rows=rows) for name in names}
    assert list(found[names[1]].failures) == [rows[0]]
    pool = Subset(rows, truth[rows], found, 2)
    made = labels.make(LabelSource("confident", names, 0.8), pool)
    right = (made.targets.argmax(1) == truth[made.rows]).mean()
    assert right > (said[rows] == truth[rows]).mean() + 0.03
    with pytest.raises(UserError, match="holds 60 of the 100 rows"):
        tables.lookup(corpus, names[1], "prompt1", rows=corpus.subset(61))


def test_tables_are_named_by_their_wording():
    corpus = make_corpus([text for text, _ in sentences(10)])
    assert tables.wording(corpus, "a", "prompt2") == prompts.render(corpus, "prompt2")
    assert tables.wording(corpus, "a@reversed", "prompt2") == prompts.render(corpus, "reversed")
    second = tables.wording(corpus, "a@prompt3-crossfit", "prompt2")
    assert (second.name, second.fingerprint) == ("prompt3-crossfit", prompts.render(corpus, "prompt3").fingerprint)
