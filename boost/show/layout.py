"""Positions of the nodes of a drawn binary tree: a tidy layout, as narrow as possible without overlaps.

E. M. Reingold and J. S. Tilford, "Tidier Drawings of Trees", IEEE Transactions on Software Engineering 7(2),
1981. Nodes of one level are on one line, a parent is above the middle of its children, equal subtrees are
drawn alike at any position, and the mirror image of a tree is drawn as the mirror image of its drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def tidy(
    left: Sequence[int], right: Sequence[int], width: Sequence[float], gap: float
) -> NDArray[np.float64]:
    """Return the centres of the nodes along their levels.

    Parameters
    ----------
    left, right : sequences of int, of length nodes
        The children of each node, -1 where there are none; node 0 is the root, and a child comes after its
        parent.
    width : sequence of float
        Width of the box of each node.
    gap : float
        Smallest distance between two boxes of a level.

    Returns
    -------
    float64 array of shape (nodes,)
        The leftmost box begins at zero.

    Notes
    -----
    A subtree is represented by its outline: how far it extends on each level to both sides of its root. Two
    subtrees are placed so that their outlines are `gap` apart. O(nodes * depth), less for unbalanced trees.
    """
    count = len(left)
    offset = np.zeros(count)  # of a node from its parent
    outlines: dict[int, tuple[list[float], list[float]]] = {}
    for n in range(count - 1, -1, -1):
        half = width[n] / 2.0
        if left[n] < 0:
            outlines[n] = [-half], [half]
            continue
        (low_a, high_a), (low_b, high_b) = outlines.pop(left[n]), outlines.pop(right[n])
        apart = max(high - low for high, low in zip(high_a, low_b, strict=False)) + gap
        offset[left[n]], offset[right[n]] = -apart / 2.0, apart / 2.0
        low_b, high_b = [v + apart / 2.0 for v in low_b], [v + apart / 2.0 for v in high_b]
        low_a, high_a = [v - apart / 2.0 for v in low_a], [v - apart / 2.0 for v in high_a]
        # On common levels, the left end is the left subtree's and the right end is the right subtree's.
        lows = low_a + low_b[len(low_a) :]
        highs = high_b + high_a[len(high_b) :]
        outlines[n] = [-half, *lows], [half, *highs]
    place = np.zeros(count)
    place[0] = -min(outlines[0][0])
    for n in range(count):
        if left[n] >= 0:
            for child in (left[n], right[n]):
                place[child] = place[n] + offset[child]
    return place
