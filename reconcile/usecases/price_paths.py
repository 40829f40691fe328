"""Random price paths that end at a shock, reduced to the worst price of each: whole numbers from a seed.

A path is a straight line with a bridge of random steps around it. Half way, the bridge's standard deviation is a
quarter of the shock. One jump toward the shock, by up to half of it, fades out until the end.
"""

import random

STEPS = 60
_PPM = 1_000_000
_STEP_SHARE = 1_118, 10_000
"""The largest random step as a share of the shock: sqrt(3) / (2 * sqrt(STEPS))."""


def worst_percents(shock_ppm: int, *, paths: int, seed: int) -> dict[int, int]:
    """The number of paths with their worst price at each whole percent of change, rounded away from no change.

    ``shock_ppm`` is the shock in millionths: -250,000 for a fall by a quarter. The worst price is the lowest one for a
    fall and the highest one for a rise.
    """
    dice = random.Random(seed)  # noqa: S311 - price paths, not secrets
    found: dict[int, int] = {}
    for _ in range(paths):
        percent = _percent(_worst(dice, shock_ppm))
        found[percent] = found.get(percent, 0) + 1
    return dict(sorted(found.items()))


def _worst(dice: random.Random, shock: int) -> int:
    step = abs(shock) * _STEP_SHARE[0] // _STEP_SHARE[1]
    walk = [0]
    for _ in range(STEPS):
        walk.append(walk[-1] + dice.randint(-step, step))
    jump_at, jump = dice.randrange(STEPS), shock * dice.randrange(1_000) // 2_000
    levels = [
        (shock * number - walk[-1] * number + (jump * (STEPS - number) if number > jump_at else 0)) // STEPS
        + walk[number]
        for number in range(1, STEPS + 1)
    ]
    return max(levels) if shock > 0 else min(levels)


def _percent(level: int) -> int:
    part = _PPM // 100
    return -(-level // part) if level > 0 else max(-99, level // part)
