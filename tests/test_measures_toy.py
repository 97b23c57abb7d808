import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.measures.propagation import decompose_brier_by_text, decompose_by_text
from helpers.measures.toy import (
    cell_noise,
    expected_accuracy,
    expected_brier_decomposition,
    expected_decomposition,
    expected_log_student,
    uniform_noise,
)

TERMS = ["approximation", "estimation", "cross", "total"]
TWO = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])
THREE = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


def annotators(p):
    k = p.shape[1]
    confusion = np.full((k, k), 0.1) + np.eye(k) * (1 - 0.1 * k)
    confusion[0] = np.eye(k)[0] * 0.7 + 0.3 / k
    return [uniform_noise(p, 0.2), p @ confusion, cell_noise(p, np.linspace(0, 0.6, len(p)), 0)]


def simulate(p_s, n, alpha, *, n_runs):
    """Draw training sets and fit the student: P̂ as float array (n_runs, C, K), of which expectations are the mean."""
    counts = np.random.default_rng(0).multinomial(n, p_s, size=(n_runs, len(p_s)))
    return (counts + alpha) / (n + alpha * p_s.shape[1])


def test_noise_by_hand():
    np.testing.assert_allclose(uniform_noise([[0.9, 0.1]], 0.2), [[0.74, 0.26]])
    np.testing.assert_allclose(uniform_noise([[1.0, 0.0, 0.0]], 0.2), [[0.8, 0.1, 0.1]])
    np.testing.assert_allclose(cell_noise(TWO[:2], [0.0, 0.5], [0, 0]), [[0.9, 0.1], [0.65, 0.35]])
    np.testing.assert_allclose(uniform_noise(TWO, [0, 1, 0.5]), [[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]])


@given(st.floats(0, 1), st.integers(0, 2))
def test_noise_keeps_distributions(rate, target):
    for noisy in (uniform_noise(THREE, rate), cell_noise(THREE, rate, target)):
        np.testing.assert_allclose(noisy.sum(1), 1)
        assert (noisy >= 0).all()
    np.testing.assert_allclose(cell_noise(THREE, 1.0, target), np.tile(np.eye(3)[target], (2, 1)))
    np.testing.assert_allclose(uniform_noise(THREE, 0.0), THREE)


def test_expected_log_student_by_hand():
    # One label, alpha 1, two classes: 2/3 for the label seen, 1/3 for the other.
    expected = 0.9 * np.log(2 / 3) + 0.1 * np.log(1 / 3)
    assert expected_log_student(np.array([[0.9, 0.1]]), 1, 1.0)[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("p", [TWO, THREE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["uniform", "class", "cell"])
@pytest.mark.parametrize(("n", "alpha"), [(0, 1.0), (5, 0.5), (40, 1.0)])
def test_closed_form_meets_simulation(p, kind, n, alpha):
    p_s = annotators(p)[kind]
    n_runs = 20_000
    p_hat = simulate(p_s, n, alpha, n_runs=n_runs)
    for exact, terms in (
        (expected_decomposition(p, p_s, n, alpha), decompose_by_text(p, p_s, p_hat, floor=0)),
        (expected_brier_decomposition(p, p_s, n, alpha), decompose_brier_by_text(p, p_s, p_hat)),
    ):
        for term in TERMS:
            by_run = terms[term].mean(1)
            error = 5 * by_run.std() / np.sqrt(n_runs) + 1e-12
            assert exact[term].item() == pytest.approx(by_run.mean(), abs=error), term


def test_accuracy_by_hand():
    """Of three labels two must be right: r³ + 3 r² (1 - r). Of two, one of each is a coin; of none, it always is."""
    people, annotator = [[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.6, 0.4]]
    three = [0.7**3 + 3 * 0.7**2 * 0.3, 0.4**3 + 3 * 0.4**2 * 0.6]
    two = [0.7**2 + 0.7 * 0.3, 0.4**2 + 0.4 * 0.6]
    found = expected_accuracy(people, annotator, [0, 1, 2, 3])
    np.testing.assert_allclose(found, [0.5, 0.55, np.mean(two), np.mean(three)])
    np.testing.assert_allclose(expected_accuracy(people, annotator, 3, weights=[3, 1]), [np.dot([0.75, 0.25], three)])


@pytest.mark.parametrize("n", [4, 25])
def test_accuracy_meets_simulation(n):
    people, annotator = TWO[:2], uniform_noise(TWO[:2], [0.2, 0.7])
    n_runs = 20_000
    p_hat = simulate(annotator, n, 1.0, n_runs=n_runs)
    right = p_hat[:, [0, 1], people.argmax(1)]
    says = (right > 0.5 + 1e-9) + (np.abs(right - 0.5) < 1e-9) / 2
    error = 5 * says.mean(1).std() / np.sqrt(n_runs)
    assert expected_accuracy(people, annotator, n).item() == pytest.approx(says.mean(), abs=error)


def test_accuracy_is_of_two_classes_and_of_a_majority():
    with pytest.raises(ValueError, match="two classes, got 3"):
        expected_accuracy(THREE, THREE, 3)
    with pytest.raises(ValueError, match="divided into halves"):
        expected_accuracy(TWO, TWO, 3)


@settings(deadline=None)
@given(
    st.integers(0, 60),
    st.floats(0.05, 3),
    st.floats(0.01, 0.9),
    st.lists(st.floats(0.1, 1), min_size=3, max_size=3),
)
def test_terms_sum_to_the_total(n, alpha, rate, weights):
    for decomposition in (expected_decomposition, expected_brier_decomposition):
        row = decomposition(TWO, uniform_noise(TWO, rate), n, alpha, weights=weights).iloc[0]
        parts = row["approximation"] + row["estimation"] + row["cross"]
        assert parts == pytest.approx(row["total"], abs=1e-10)
        assert row["estimation"] >= -1e-12
        assert row["total"] >= -1e-12


def test_more_labels_leave_the_approximation():
    for decomposition in (expected_decomposition, expected_brier_decomposition):
        table = decomposition(THREE, annotators(THREE)[2], [10, 100, 1000, 20_000], 1.0)
        assert list(table.columns) == ["n", *TERMS]
        assert table["n"].tolist() == [10, 100, 1000, 20_000]
        assert table["approximation"].nunique() == 1
        assert (np.diff(table["estimation"]) < 0).all()
        last = table.iloc[-1]
        assert last["total"] == pytest.approx(last["approximation"], rel=0.01)


def test_estimation_falls_as_one_over_n():
    # K - 1 free parameters cost (K - 1) / (2 n) nats each, to first order in 1 / n.
    table = expected_decomposition(THREE, annotators(THREE)[0], 20_000, 1.0)
    assert table["estimation"].item() == pytest.approx(2 / (2 * 20_000), rel=0.02)


def test_a_perfect_annotator_adds_neither_approximation_nor_cross():
    row = expected_decomposition(TWO, TWO, 50, 0.5).iloc[0]
    assert row["approximation"] == 0
    assert row["cross"] == pytest.approx(0, abs=1e-12)
    assert row["total"] == pytest.approx(row["estimation"])


def test_weights_pick_cells():
    p_s = annotators(TWO)[2]
    alone = expected_decomposition(TWO[1:2], p_s[1:2], [3, 30], 1.0)
    picked = expected_decomposition(TWO, p_s, [3, 30], 1.0, weights=[0, 2, 0])
    np.testing.assert_allclose(picked, alone)


def test_certain_cells_are_allowed_where_both_are_certain():
    row = expected_decomposition([[1.0, 0.0]], [[1.0, 0.0]], 4, 1.0).iloc[0]
    assert row["total"] == pytest.approx(-np.log(5 / 6))
    with pytest.raises(ValueError, match="uniform_noise"):
        expected_decomposition([[0.5, 0.5]], [[1.0, 0.0]], 4, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TWO, TWO[:2], 5, 1.0), "same cells and classes"),
        ((TWO, TWO, 2.5, 1.0), "whole numbers"),
        ((TWO, TWO, -1, 1.0), "whole numbers"),
        ((TWO, TWO, 5, 0.0), "alpha must be above 0"),
        ((TWO[0], TWO[0], 5, 1.0), "n_cells, n_classes"),
    ],
)
def test_worlds_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        expected_decomposition(*arguments)


def test_noise_and_weights_are_checked():
    with pytest.raises(ValueError, match="each 0 to 1"):
        uniform_noise(TWO, 1.5)
    with pytest.raises(ValueError, match="one per cell"):
        expected_decomposition(TWO, TWO, 5, 1.0, weights=[1, 1])
