"""How much faster is it to visit present entries only, on one-hot data?

Run with ``python -m benchmarks sparsity``. The figure to reach is 50, as in the XGBoost paper (arXiv
1603.02754, section 3.4 and figure 5, on 10,000 rows of Allstate's claims). The same exact grower gets the
same table twice: as a sparse matrix, whose absent entries it never sees, and with zeros written where entries
are absent. Trees are grown from the same gradients; matrices and sorting are outside of the time.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import cores, heading, table

# Categorical columns as Allstate's: 27 that together have some 4,200 levels, a few of them most.
LEVELS = (
    2,
    2,
    3,
    3,
    4,
    5,
    6,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    14,
    16,
    20,
    24,
    30,
    40,
    75,
    100,
    150,
    300,
    600,
    1200,
    1555,
)
NUMBERS = 8


def claims(rows: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """One-hot columns and a few numbers as a CSR matrix, and gradients of a first round.

    Levels are drawn by Zipf's law, as makes and models of cars are.
    """
    from scipy import sparse

    rng = np.random.default_rng(seed)
    columns, effect, first = [], np.zeros(rows), 0
    for levels in LEVELS:
        chance = 1.0 / np.arange(1, levels + 1)
        code = rng.choice(levels, size=rows, p=chance / chance.sum())
        effect += rng.normal(size=levels)[code]
        columns.append(first + code)
        first += levels
    onehot = np.stack(columns, axis=1)
    numbers = rng.normal(size=(rows, NUMBERS)).astype(np.float32)
    width = len(LEVELS)
    hot = sparse.csr_matrix(
        (np.ones(onehot.size, np.float32), onehot.ravel(), np.arange(0, onehot.size + 1, width)),
        (rows, first),
    )
    effect += 2 * numbers[:, 0] + rng.normal(size=rows)
    return sparse.hstack((hot, sparse.csr_matrix(numbers)), format="csr"), -effect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7, help="trees of each way")
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()

    import boost
    from boost.grow.exact import ExactGrower
    from boost.params import resolve
    from boost.threads import Team

    matrix, grad = claims(options.rows)
    present = matrix.nnz / (matrix.shape[0] * matrix.shape[1])
    heading(
        f"Exact greedy on {matrix.shape[0]:,} x {matrix.shape[1]:,} one-hot data, {present:.2%} present, "
        f"depth 8, {options.threads} threads"
    )
    params = resolve({"tree_method": "exact", "max_depth": 8})
    hess, nothing = np.ones(grad.size), np.empty(0)
    losses = {}
    with Team(options.threads) as team:
        growers = {
            "present entries only": ExactGrower(boost.DMatrix(matrix), params, team),
            "absent as zeros": ExactGrower(boost.DMatrix(matrix.toarray()), params, team),
        }

        def grow(name: str) -> None:
            grown = growers[name].grow(grad, hess, nothing, np.random.default_rng(0))
            margin = np.zeros((grad.size, 1))
            grown.add_to(margin[:, 0], team)
            losses[name] = float(np.mean((margin[:, 0] + grad) ** 2) / np.mean(grad**2))

        ways = {name: lambda name=name: grow(name) for name in growers}
        # trees in a row, as training grows them: one alone would find its table in no cache
        times = interleave(ways, rounds=options.rounds, min_seconds=0.2)
    fast, slow = times["present entries only"], times["absent as zeros"]
    table(
        ("", "one tree, ms [quartiles]", "rest of the loss", "times faster"),
        [
            (
                name,
                timing.spread.scaled(1e3).format(1),
                f"{losses[name]:.4f}",
                timing.speedup_over(slow).format(1),
            )
            for name, timing in (("present entries only", fast), ("absent as zeros", slow))
        ],
    )


if __name__ == "__main__":
    main()
