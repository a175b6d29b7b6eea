"""`KnobMove`: steps of one knob in an ordered direction, for irreversible chains over a space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from costmodel.group import Group
from costmodel.knob import NOWHERE, steps
from costmodel.sampling.move import Floats, Points, Signs
from costmodel.space import ConfigSpace


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


class GroupMove:
    """Steps along the allowed joint options of knobs that requirements connect, by their numbers.

    Steps of single knobs may not lead from every allowed joint option to every other one; these do.

    Parameters
    ----------
    group : Group
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        # lengths of about 1, 4, 16, ... options
        self._lengths = [1 << i for i in range(0, max(1, (group.size - 1).bit_length()), 2)]

    def propose(self, points: Points, signs: Signs, rng: np.random.Generator) -> tuple[Points, Floats]:
        """Propose a step of all knobs of the group, as `KnobMove.propose` does of one knob."""
        lengths = rng.integers(len(self._lengths), size=len(points))
        proposed = points.copy()
        possible = np.zeros(len(points), dtype=bool)
        positions = list(self.group.positions)
        for chain, (point, sign, length) in enumerate(zip(points, signs, lengths, strict=True)):
            number = self.group.number(point[positions].tolist())
            if number is not None:
                number += self._lengths[length] if sign > 0 else -self._lengths[length]
                if 0 <= number < self.group.size:
                    proposed[chain, positions] = self.group.digits(number)
                    possible[chain] = True
        return proposed, np.where(possible, 0.0, -np.inf)


def knob_moves(space: ConfigSpace) -> list[KnobMove | GroupMove]:
    """Return the moves of a space: of each knob (`costmodel.knob.steps`), and of each group of knobs.

    A step of one knob may break a requirement; it has then no index, see `ConfigSpace.find`.
    """
    moves: list[KnobMove | GroupMove] = [
        KnobMove(position, up) for position, knob in enumerate(space.knobs) for up in steps(knob)
    ]
    return moves + [GroupMove(g) for g in space.groups if g.requirements and g.size > 1]
