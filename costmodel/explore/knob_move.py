"""`KnobMove`: steps of one knob in an ordered direction, for irreversible chains over a space."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from costmodel.knob import Knob
from costmodel.sampling.move import Floats, Points, Signs
from costmodel.space import ConfigSpace

NOWHERE = -1


class KnobMove:
    """Steps that change one knob upwards or downwards.

    The length of a step is drawn without regard to the direction or the state, and a step down undoes the
    same step up, so that the densities of both directions cancel.

    Parameters
    ----------
    position : int
        Of the knob in its space.
    up : array of shape (lengths, options)
        The option that a step of each length leads to from each option, `NOWHERE` where it leads out of the
        knob. No two options lead to the same one.
    """

    def __init__(self, position: int, up: NDArray[np.int64]) -> None:
        self.position = position
        down = np.full_like(up, NOWHERE)
        for length, options in enumerate(up):
            (start,) = np.nonzero(options != NOWHERE)
            down[length, options[start]] = start
        self._steps = np.stack((down, up))

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Propose a step of the knob for points of shape (chains, knobs), the numbers of options."""
        lengths = rng.integers(self._steps.shape[1], size=len(points))
        option = self._steps[(signs > 0).astype(np.intp), lengths, points[:, self.position]]
        proposed = points.copy()
        possible = option != NOWHERE
        proposed[possible, self.position] = option[possible]
        return proposed, np.where(possible, 0.0, -np.inf)


def knob_moves(space: ConfigSpace) -> list[KnobMove]:
    """Return the moves of a space.

    A split has a move for each pair of its factors, which carries a power of a prime from one to the other.
    The options of other knobs are on a line if they are numbers, in their order, else on a circle.
    """
    return [
        KnobMove(position, up)
        for position, knob in enumerate(space.knobs)
        if len(knob.options) > 1
        for up in (_split_steps(knob) if knob.kind == "split" else [_line_or_circle(knob)])
    ]


def _split_steps(knob: Knob) -> Iterator[NDArray[np.int64]]:
    number = {factors: i for i, factors in enumerate(knob.options)}
    powers = list(_prime_powers(int(np.prod(knob.options[0]))))
    for a, b in combinations(range(len(knob.options[0])), 2):
        up = np.full((len(powers), len(knob.options)), NOWHERE)
        for length, power in enumerate(powers):
            for i, factors in enumerate(knob.options):
                if factors[a] % power == 0:
                    moved = list(factors)
                    moved[a] //= power
                    moved[b] *= power
                    up[length, i] = number.get(tuple(moved), NOWHERE)
        used = (up != NOWHERE).any(axis=1)
        if used.any():
            yield up[used]


def _prime_powers(extent: int) -> Iterator[int]:
    divisor = 2
    while extent > 1:
        if divisor * divisor > extent:
            divisor = extent
        power = 1
        while extent % divisor == 0:
            extent //= divisor
            power *= divisor
            yield power
        divisor += 1


def _line_or_circle(knob: Knob) -> NDArray[np.int64]:
    count = len(knob.options)
    lengths = [1 << i for i in range(max(1, (count - 1).bit_length() - 1))]
    numbers = all(isinstance(o, int | float) and not isinstance(o, bool) for o in knob.options)
    if not numbers:
        return np.array([(np.arange(count) + length) % count for length in lengths])
    order = np.argsort(knob.options, kind="stable")
    up = np.full((len(lengths), count), NOWHERE)
    for i, length in enumerate(lengths):
        up[i, order[:-length]] = order[length:]
    return up
