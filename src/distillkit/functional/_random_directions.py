"""Expected values of directions that have nothing to do with each other."""

from __future__ import annotations

import math


def log_mean_exp_cosine(numbers: int, temperature: float) -> float:
    """Log of the mean of e^{a·b/τ} over all directions b, which is the same for every direction a.

    The mean is 0F1(n/2; 1 / 4τ²) = Σ_k (1 / 4τ²)^k / (k! · n/2 · (n/2 + 1) · … · (n/2 + k − 1)).

    Args:
        numbers: n ≥ 1, of each direction.
        temperature: τ > 0.

    Example:
        >>> import math
        >>> round(math.exp(log_mean_exp_cosine(128, 0.07)), 4)
        2.2087
    """
    half, log_x = numbers / 2, -2 * math.log(2 * temperature)
    # the terms grow until k (n/2 + k) is x, and then fall ever faster
    most = int(math.sqrt(math.exp(log_x)))
    terms = [
        k * log_x - math.lgamma(k + 1) - math.lgamma(half + k) + math.lgamma(half)
        for k in range(2 * most + 100)
    ]
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))
