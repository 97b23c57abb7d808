"""How small a difference in accuracy a test split can show.

Two classifiers judged on the same T texts are compared by the texts on which just one of them is right (McNemar,
1947, Psychometrika 12). With a share `discordant` of such texts and a difference `gap` between the accuracies, the
number of texts that a two-sided test of level `alpha` needs for a given power is (Connor, 1987, Biometrics 43, eq. 2)

    T = (z_alpha sqrt(discordant) + z_power sqrt(discordant - gap^2))^2 / gap^2,

and these functions give it, and solve it for the gap. Seeds and the choice of training texts add variance of their own,
so this is the least that can be hoped for.
"""

import math

from scipy.stats import norm


def detectable_gap(n_texts: int, *, discordant: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest difference of two accuracies that `n_texts` test texts show.

    Parameters
    ----------
    n_texts
        Number of test texts T >= 1.
    discordant
        Share of the texts on which just one of the two is right, in (0, 1]. A gap cannot exceed it.
    alpha, power
        Chance of a false alarm without a gap, and of finding it where it is, each in (0, 1).

    Returns
    -------
    float
        In (0, `discordant`), or inf where not even that would be found.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    z_alpha, z_power = _quantiles(alpha, power)
    if n_texts < 1 or not 0 < discordant <= 1:
        raise ValueError(f"expected n_texts >= 1 and discordant in (0, 1], got {n_texts} and {discordant}")
    # The larger root of (T + zp^2) gap^2 - 2 sqrt(T d) za gap + (za^2 - zp^2) d = 0.
    inner = n_texts + z_power**2 - z_alpha**2
    if inner < 0:
        return math.inf
    gap = math.sqrt(discordant) * (math.sqrt(n_texts) * z_alpha + z_power * math.sqrt(inner)) / (n_texts + z_power**2)
    return gap if gap < discordant else math.inf


def texts_needed(gap: float, *, discordant: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Number of test texts that show a difference of `gap`; arguments as in `detectable_gap`.

    Raises
    ------
    ValueError
        If the gap is not in (0, `discordant`].
    """
    z_alpha, z_power = _quantiles(alpha, power)
    if not 0 < gap <= discordant <= 1:
        raise ValueError(f"expected 0 < gap <= discordant <= 1, got {gap} and {discordant}")
    root = z_alpha * math.sqrt(discordant) + z_power * math.sqrt(discordant - gap**2)
    return math.ceil(root**2 / gap**2)


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    if not 0 < alpha < 1 or not 0.5 <= power < 1:
        raise ValueError(f"expected alpha in (0, 1) and power in [0.5, 1), got {alpha} and {power}")
    return float(norm.isf(alpha / 2)), float(norm.ppf(power))
