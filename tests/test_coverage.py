"""Do 95 % intervals hold the truth 95 times in a hundred? Simulated worlds whose truth is known, all seeded.

A world has texts that differ in how easy they are, students that differ in skill, and seeds that move a student a
little up or down: everybody shares the texts, so that comparisons are paired as in the findings. 92 to 98 % is what is
asked of an interval; what falls outside says so in its docstring, and here.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from helpers.findings._decomposition import cross_share
from helpers.findings._recovery import beyond_gold, recovery
from helpers.findings._votes import votes_by_seed
from helpers.measures.agreement import mean_correlation
from helpers.measures.crossing import crossing
from helpers.measures.inheritance import beyond_class, error_inheritance, expected_by_class, inherited
from helpers.measures.intervals import (
    disagreement_contrast,
    log_variance_ratio,
    paired_bootstrap,
    paired_difference,
    sd_interval,
    stability_difference,
    stability_interval,
)
from helpers.measures.plateau import fit_curve, gold_equivalent_bounds, onset_interval
from helpers.measures.propagation import decompose_by_text
from helpers.measures.stability import krippendorff_alpha, pairwise_disagreement, unchanged_share

pytestmark = pytest.mark.slow

WORLDS = 1000  # one standard error of a coverage of .95 is .007
EASY, OWN, NOISE = 1.2, 0.8, 0.7  # sd of a text's ease, of what a student makes of it, and of one run on it


def rng(*seed):
    return np.random.default_rng(seed)


def runs(draw, skills, n_seeds, n_texts, seed_sd):
    """Correctness of students of each skill on the same texts, float (skills, seeds, texts).

    `seed_sd` is one number, or one a skill.
    """
    easy = draw.normal(0, EASY, n_texts)
    own = draw.normal(0, OWN, (len(skills), 1, n_texts))
    moved = np.reshape(seed_sd, (-1, 1, 1)) * draw.normal(0, 1, (len(skills), n_seeds, 1))
    latent = np.asarray(skills)[:, None, None] + easy + own + moved
    return (draw.normal(0, NOISE, latent.shape) < latent).astype(float)


def accuracy(skills, seed_sd):
    """Their expected accuracy."""
    return ndtr(np.asarray(skills) / np.sqrt(EASY**2 + OWN**2 + NOISE**2 + seed_sd**2))


def coverage(interval_of, truth, *, worlds=WORLDS, least=0.5):
    """Share of the worlds whose interval holds the truth; worlds without an interval do not count, if they are few.

    `least` is the share of the worlds that must have one.
    """
    found = [interval_of(rng(world, 2504)) for world in range(worlds)]
    held = [interval.low <= truth <= interval.high for interval in found if interval.low <= interval.high]
    assert len(held) > least * worlds
    return np.mean(held)


@pytest.mark.parametrize("seed_sd", [0.0, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_paired_difference(n_seeds, seed_sd):
    """In terms of accuracy, runs have an sd of 1.1, 1.3, 1.8 and 3 points over seeds."""
    skills = 1.6, 1.3
    a, b = accuracy(skills, seed_sd)

    def interval(draw):
        return paired_difference(*runs(draw, skills, n_seeds, 400, seed_sd), rng=draw, n_boot=400)

    assert 0.92 <= coverage(interval, a - b) <= 0.98


@pytest.mark.parametrize("ratio", [1.0, 4.0])
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_variance_ratio(n_seeds, ratio):
    def interval(draw):
        scores = draw.normal(0, [[np.sqrt(ratio)], [1.0]], (2, n_seeds))
        # As the pages call it: with a generator, so that from eight seeds on it is the bootstrap.
        return log_variance_ratio(*scores, rng=draw, n_boot=500)

    assert 0.92 <= coverage(interval, np.log(ratio), worlds=4000) <= 0.98


@pytest.mark.parametrize("n_seeds", [5, 7, 10])
def test_variance_ratio_falls_short_where_seeds_collapse(n_seeds):
    """One seed in seven loses 15 points, in either arm: no interval of ten numbers copes with that."""

    def interval(draw):
        scores = draw.normal(80, 1, (2, n_seeds)) - 15 * (draw.random((2, n_seeds)) < 1 / 7)
        return log_variance_ratio(*scores, rng=draw, n_boot=500)

    assert 0.78 <= coverage(interval, 0.0, worlds=2000) <= 0.9


@pytest.mark.parametrize("n_seeds", [3, 7])
@pytest.mark.parametrize("seed_sd", [0.05, 0.1])
def test_onset(n_seeds, seed_sd):
    """The last of four gains falls under one point, and the two before it are only just above: hard to tell."""
    sizes, gains, threshold = np.array([250, 500, 1000, 2000, 4000]), [0.02, 0.015, 0.013, 0.002], 0.01
    known = np.linspace(-1, 3, 4001)
    skills = np.interp(0.7 + np.cumsum([0, *gains]), accuracy(known, seed_sd), known)

    def interval(draw):
        made = runs(draw, skills, n_seeds, 1000, seed_sd).swapaxes(0, 1)
        _, low, high = onset_interval(sizes, made, threshold, rng=draw, n_boot=400)
        return SimpleNamespace(low=np.inf if low.flag else low.value, high=np.inf if high.flag else high.value)

    # Bonferroni, and sizes that a wide gain cannot rule out: it holds too often.
    assert coverage(interval, 2000, worlds=300) >= 0.96


@pytest.mark.parametrize("n_seeds", [3, 10])
@pytest.mark.parametrize(("before", "after"), [(1.2, 1.4), (1.35, 1.5), (1.45, 1.55)])
def test_recovery(before, after, n_seeds):
    """Gold, plain and mended students; the gap is 6.8, 4.1 or 2.4 points, and not clear in every world."""
    seed_sd = 0.1
    skills = 1.6, before, after
    gold, plain, mended = accuracy(skills, seed_sd)

    def interval(draw):
        best, before, after = runs(draw, skills, n_seeds, 1000, seed_sd)
        gap = paired_difference(best, before, rng=draw, n_boot=400)
        return recovery(after, SimpleNamespace(correct=before), SimpleNamespace(correct=best), gap, rng=draw)

    assert 0.92 <= coverage(interval, (mended - plain) / (gold - plain), worlds=500, least=0.15) <= 0.98


@pytest.mark.parametrize("gold_votes", [False, True])
@pytest.mark.parametrize(("n_seeds", "voters"), [(3, 3), (5, 3)])
def test_recovery_of_a_vote(n_seeds, voters, gold_votes):
    """Of votes of other students, too, as the interval of what a vote gains, and less what gold students gain."""
    skills, seed_sd = (1.7, 1.3), 0.05

    def share(draw, n_texts):
        (best_pred, pred), gold = labelled(draw, skills, n_seeds, n_texts, seed_sd)
        best, before = ((made == gold).astype(float) for made in (best_pred, pred))
        students = SimpleNamespace(probs=np.eye(2)[pred], gold=gold, seeds=n_seeds)
        together = votes_by_seed(students, voters)
        if gold_votes:
            golds = votes_by_seed(SimpleNamespace(probs=np.eye(2)[best_pred], gold=gold, seeds=n_seeds), voters)
            together = beyond_gold(together, golds, SimpleNamespace(correct=best))
        return together, before, best

    def interval(draw):
        together, before, best = share(draw, 800)
        gap = paired_difference(best, before, rng=draw, n_boot=400)
        return recovery(together, SimpleNamespace(correct=before), SimpleNamespace(correct=best), gap, rng=draw)

    large = [[made.mean() for made in share(rng(world), 20_000)] for world in range(100)]
    together, before, best = np.mean(large, axis=0)
    # The jackknife of two votes of so few students finds more variance than that of one.
    assert (
        0.92 <= coverage(interval, (together - before) / (best - before), worlds=400) <= (0.995 if gold_votes else 0.98)
    )


def labelled(draw, skills, n_seeds, n_texts, seed_sd):
    """Predictions of two classes, int (skills, seeds, texts), and gold."""
    gold = draw.integers(0, 2, n_texts)
    return np.where(runs(draw, skills, n_seeds, n_texts, seed_sd) == 1, gold, 1 - gold), gold


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_alpha_difference(n_seeds):
    skills, seed_sd = (1.6, 0.8), 0.1
    large = [labelled(rng(world), skills, 5, 20_000, seed_sd)[0] for world in range(40)]
    truth = np.mean([[krippendorff_alpha(pred, n_classes=2) for pred in world] for world in large], axis=0)

    def interval(draw):
        (a, b), _ = labelled(draw, skills, n_seeds, 400, seed_sd)
        return stability_difference(a, b, statistic="krippendorff_alpha", rng=draw, n_boot=400)

    # Three seeds: the interval holds the truth too often, as its docstring says.
    assert 0.92 <= coverage(interval, truth[0] - truth[1]) <= (0.99 if n_seeds == 3 else 0.98)


@pytest.mark.parametrize("n_seeds", [3, 7])
@pytest.mark.parametrize("statistic", ["pairwise_disagreement", "unchanged_share", "krippendorff_alpha"])
def test_stability_of_one_set_of_runs_and_difference_of_two(statistic, n_seeds):
    skills, seed_sd = (1.6, 0.8), 0.1
    measure = {
        "pairwise_disagreement": pairwise_disagreement,
        "unchanged_share": unchanged_share,
        "krippendorff_alpha": lambda pred: krippendorff_alpha(pred, n_classes=2),
    }[statistic]
    # As many seeds as the interval is of: unchanged predictions depend on their number.
    large = [labelled(rng(world), skills, n_seeds, 20_000, seed_sd)[0] for world in range(60)]
    truth = np.mean([[measure(pred) for pred in world] for world in large], axis=0)

    def level(draw):
        (a, _), _ = labelled(draw, skills, n_seeds, 400, seed_sd)
        return stability_interval(a, statistic=statistic, rng=draw, n_boot=400)

    def difference(draw):
        (a, b), _ = labelled(draw, skills, n_seeds, 400, seed_sd)
        return stability_difference(a, b, statistic=statistic, rng=draw, n_boot=400)

    # With three seeds the jackknife of so few is wide, and intervals hold too often: the book says so.
    highest = 0.99 if n_seeds == 3 else 0.98
    assert 0.94 <= coverage(level, truth[0], worlds=400) <= highest
    assert 0.94 <= coverage(difference, truth[0] - truth[1], worlds=400) <= highest


@pytest.mark.parametrize("n_seeds", [3, 10])
def test_difference_of_runs_that_share_no_seed(n_seeds):
    """Five runs of one source and some of another, as subsets drawn anew stand beside seeds."""
    skills, seed_sd = (1.2, 1.6), 0.1
    large = [labelled(rng(world), skills, 5, 20_000, seed_sd)[0] for world in range(60)]
    more, less = np.mean([[pairwise_disagreement(pred) for pred in world] for world in large], axis=0)

    def interval(draw):
        (a, b), _ = labelled(draw, skills, 10, 400, seed_sd)
        return stability_difference(
            a[:5], b[:n_seeds], statistic="pairwise_disagreement", rng=draw, paired=False, n_boot=400
        )

    assert 0.94 <= coverage(interval, more - less, worlds=400) <= 0.98


@pytest.mark.parametrize(("n_seeds", "voters"), [(3, 3), (5, 5), (5, 3), (10, 3)])
@pytest.mark.parametrize("seed_sd", [0.05, 0.3])
def test_vote_of_students(seed_sd, n_seeds, voters):
    """Of other seeds, too: what the vote gains over one student, on average over sets of students."""

    def cells(draw, n_texts):
        (pred,), gold = labelled(draw, (1.3,), n_seeds, n_texts, seed_sd)
        students = SimpleNamespace(probs=np.eye(2)[pred], gold=gold, seeds=n_seeds)
        return votes_by_seed(students, voters), (pred == gold).astype(float)

    def interval(draw):
        return paired_difference(*cells(draw, 400), rng=draw, n_boot=400)

    large = [[made.mean() for made in cells(rng(world), 20_000)] for world in range(100)]
    voting, alone = np.mean(large, axis=0)
    # Of five students of whom most vote, the jackknife is biased upwards by more than what is subtracted.
    assert 0.92 <= coverage(interval, voting - alone, worlds=400) <= (1.0 if n_seeds == 5 else 0.98)


@pytest.mark.parametrize("n_seeds", [5, 10])
def test_standard_deviation_over_seeds(n_seeds):
    def interval(draw):
        return sd_interval(draw.normal(80, 1.5, n_seeds))

    assert 0.92 <= coverage(interval, 1.5, worlds=4000) <= 0.98


@pytest.mark.parametrize("between", [1, 2])
def test_gold_equivalent(between):
    """Five sizes, four points a doubling; the labels are worth a number half-way between two sizes."""
    sizes, seed_sd = np.array([125, 250, 500, 1000, 2000]), 0.1
    skills = np.array([0.6, 0.8, 1.0, 1.2, 1.4])
    curve = accuracy(skills, seed_sd)
    target = (curve[between] + curve[between + 1]) / 2
    skill = np.interp(target, accuracy(np.linspace(0, 2, 2001), seed_sd), np.linspace(0, 2, 2001))
    truth = np.sqrt(sizes[between] * sizes[between + 1])

    def interval(draw):
        made = runs(draw, [*skills, skill], 3, 1000, seed_sd)
        low, high = gold_equivalent_bounds(sizes, made[:-1].swapaxes(0, 1), made[-1], rng=draw, n_boot=400)
        # A bound that is censored is beyond all sizes.
        return SimpleNamespace(low=0 if low.flag == "<" else low.value, high=np.inf if high.flag == ">" else high.value)

    # Measured: .98 with three seeds, whose part is widened by the t of two degrees of freedom, however small it is.
    assert 0.92 <= coverage(interval, truth, worlds=500) <= 0.99


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_crossing(n_seeds):
    """Own errors cost less by 6 points at first and more by 6 in the end; half-way the curves meet."""
    sizes, seed_sd = np.array([250, 500, 1000, 2000]), 0.1
    own, random = np.array([0.9, 1.0, 1.1, 1.2]), np.array([0.7, 0.93, 1.17, 1.4])
    apart = accuracy(own, seed_sd) - accuracy(random, seed_sd)
    truth = np.exp(np.interp(0, -apart, np.log(sizes)))
    assert 690 < truth < 730

    def interval(draw):
        made = runs(draw, [*own, *random], n_seeds, 1000, seed_sd).swapaxes(0, 1)
        _, low, high = crossing(sizes, made[:, :4], made[:, 4:], rng=draw, n_boot=400)
        return SimpleNamespace(low=0 if low.flag == "<" else low.value, high=np.inf if high.flag == ">" else high.value)

    assert 0.92 <= coverage(interval, truth, worlds=400) <= 0.98


@pytest.mark.parametrize("n_seeds", [3, 10])
def test_where_predictions_flip(n_seeds):
    """Texts that are hard for everybody, and texts that are easy."""
    skills, seed_sd = (0.4, 1.6), 0.1

    def two(draw, n_seeds, n_texts):
        hard, easy = (labelled(draw, (skill,), n_seeds, n_texts, seed_sd)[0][0] for skill in skills)
        return np.concatenate([hard, easy], axis=1)

    large = [two(rng(world), 5, 20_000) for world in range(40)]
    truth = np.mean([pairwise_disagreement(p[:, :20_000]) - pairwise_disagreement(p[:, 20_000:]) for p in large])
    hard = np.arange(400) < 200

    def interval(draw):
        return disagreement_contrast(two(draw, n_seeds, 200), hard, ~hard, rng=draw, n_boot=400)

    assert 0.94 <= coverage(interval, truth, worlds=400) <= (0.99 if n_seeds == 3 else 0.98)


@pytest.mark.parametrize(("n_seeds", "n_texts", "seed_sd"), [(3, 4000, 0.03), (10, 1000, 0.1)])
def test_asymptote_where_it_is_identified(n_seeds, n_texts, seed_sd):
    """Curves of seven sizes to 85 %; where the fit is not identified, nothing is printed that could hold the truth."""
    sizes = np.array([62, 125, 250, 500, 1000, 2000, 4000])
    shares = 0.85 - 2.2 * sizes**-0.55
    skills = np.interp(shares, accuracy(np.linspace(-1, 3, 4001), seed_sd), np.linspace(-1, 3, 4001))

    def interval(draw):
        fit = fit_curve(sizes, runs(draw, skills, n_seeds, n_texts, seed_sd).swapaxes(0, 1), rng=draw, n_boot=300)
        bounds = fit.asymptote
        return bounds if fit.identified else SimpleNamespace(low=np.nan, high=np.nan)

    assert 0.92 <= coverage(interval, 0.85, worlds=200, least=0.2) <= 0.98


def taught(draw, n_seeds, n_texts):
    """Labels of an annotator without a seed, of students that copy a third of what it says, and of gold students."""
    (annotator, student, other), gold = labelled(draw, (1.0, 1.6, 1.6), n_seeds, n_texts, (0.0, 0.1, 0.1))
    copied = draw.random((n_seeds, n_texts)) < 1 / 3
    return np.where(copied, annotator[0], student), other, annotator[0], gold


@pytest.mark.parametrize("n_seeds", [3, 10])
def test_inherited_mistakes(n_seeds):
    student, other, annotator, gold = taught(rng(0), 20, 200_000)
    wrong = annotator != gold
    truth = (student == annotator)[:, wrong].mean() - (other == annotator)[:, wrong].mean()

    def interval(draw):
        return inherited(*taught(draw, n_seeds, 1000), rng=draw, n_boot=400)

    assert 0.92 <= coverage(interval, truth) <= 0.98


def test_mistakes_beyond_the_class():
    student, other, annotator, gold = taught(rng(1), 20, 200_000)
    mine, golds = (
        np.mean(error_inheritance(pred, annotator, gold) - expected_by_class(pred, annotator, gold))
        for pred in (student, other)
    )

    def interval(draw, *, beside):
        student, other, annotator, gold = taught(draw, 3, 600)
        return beyond_class(student, annotator, gold, gold_student=other if beside else None, rng=draw, n_boot=300)

    assert 0.92 <= coverage(partial(interval, beside=False), mine, worlds=400) <= 0.98
    assert 0.92 <= coverage(partial(interval, beside=True), mine - golds, worlds=400) <= 0.98


def test_correlation_of_mistakes():
    def two(draw, n_texts):
        pred, gold = labelled(draw, (1.0, 1.4), 1, n_texts, 0.0)
        return *pred[:, 0], gold

    def correlation(a, b, gold):
        return mean_correlation(np.stack([a, b]), gold)

    truth = correlation(*two(rng(0), 1_000_000))

    def interval(draw):
        return paired_bootstrap(correlation, *two(draw, 800), rng=draw, n_boot=400)

    assert 0.92 <= coverage(interval, truth, worlds=600) <= 0.98


def test_cross_terms_share():
    def three(draw, n_seeds, n_texts):
        p = draw.dirichlet([1.0, 1.0, 1.0], n_texts)
        annotator = np.log(p + 0.02) + draw.normal(0, 0.7, p.shape)
        moved = draw.normal(0, 0.1, (n_seeds, 1, 3)) + draw.normal(0, 0.3, (n_seeds, *p.shape))
        student = 0.7 * annotator + 0.2 * np.log(p + 0.02) + moved
        softmax = [np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (annotator, student)]
        return decompose_by_text(p, *softmax)

    large = three(rng(0), 40, 20_000)
    truth = large["cross"].mean() / large["total"].mean()

    def interval(draw):
        return cross_share(three(draw, 3, 600), draw, n_boot=400)

    assert 0.92 <= coverage(interval, truth, worlds=600) <= 0.98
