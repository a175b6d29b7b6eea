"""Ranking losses: pairs of rows of one group whose labels differ (LambdaMART)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import LabelError
from boost.objective.base import Floats, Objective, Round

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

Ints = NDArray[np.int64]
# Positions of which the bias is estimated when pairs are drawn.
POSITIONS = 32
# What XGBoost writes for a lambdarank_num_pair_per_sample that was not given.
NOT_SET = 2**32 - 1
# Nanoseconds of a pair, of one whose partner is drawn, and of a row that is sorted and copied.
PAIR_WORK, DRAW_WORK, ROW_WORK = 1.0, 16.0, 30.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What holds for a table in every round; see `boost.objective.kernels.row_pairs.sum_pairs`.

    Attributes
    ----------
    source : float32 array of shape (rows,)
        The table's labels, to know it by: the table itself is not kept alive.
    label : float64 array of shape (rows,)
    bounds : int64 array of shape (groups + 1,)
    pairs : int
        How many first rows of a group are compared with all after them, or how many partners a row draws.
    by_label : int64 array of shape (rows,), or empty when nothing is drawn
    share : float64 array of shape (rows,)
    gain, discount : float64 arrays of shapes (rows,) and (longest group,), or empty
    work : float
        Nanoseconds of a gradient.
    """

    source: NDArray[np.float32]
    label: Floats
    bounds: Ints
    pairs: int
    by_label: Ints
    share: Floats
    gain: Floats
    discount: Floats
    work: float


class Ranking(Objective):
    """Logistic loss of the margin differences of pairs; larger labels rank higher. Start: zero.

    A pair weighs as much as a metric would change if its rows changed places (in `Pairwise`, 1). With
    lambdarank_score_normalization that is divided by the distance of the margins plus 0.01, unless all
    margins of the group are equal.

    Pairs are, with lambdarank_pair_method

    - topk: each of a group's first rows by margin, with every row after it. With lambdarank_normalization,
      the sum S of a group's gradients is scaled to log2(1 + S).
    - mean: each row with partners drawn among the rows of other labels. With lambdarank_normalization, sums
      are divided by the number of partners. Where drawing is no cheaper (the longest group has no more than
      32 times as many rows as a row has partners), each row is compared with all rows of other labels,
      weighted as draws are on average.

    Only the ratios of the groups' weights count.

    References
    ----------
    See `boost.objective.kernels.row_pairs`.
    """

    kind: int
    metric_base: str
    file_params = tuple(
        ("lambdarank_param", name, name)
        for name in (
            "lambdarank_pair_method",
            "lambdarank_num_pair_per_sample",
            "lambdarank_normalization",
            "lambdarank_score_normalization",
            "lambdarank_unbiased",
            "lambdarank_bias_norm",
            "ndcg_exp_gain",
        )
    )

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.topk = params["lambdarank_pair_method"] == "topk"
        given = params["lambdarank_num_pair_per_sample"]
        self.pairs = int(given) if given not in (None, NOT_SET) else 32 if self.topk else 1
        self.metric = f"{self.metric_base}@{self.pairs}" if self.topk else self.metric_base
        # ti+ and tj- of the paper, by position; empty before the first round.
        self.ahead: Floats = np.empty(0)
        self.behind: Floats = np.empty(0)
        self._layout: Layout | None = None

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        if (label == label[0]).all():
            raise LabelError(
                f"{self.name} has nothing to rank: every label is {label[0]:g} (n_samples={label.size})"
            )
        bounds = data.group_bounds()
        if data.weight is not None:
            even = data.weight == np.repeat(data.weight[bounds[:-1]], np.diff(bounds))
            if not even.all():
                raise LabelError(
                    f"{self.name} weighs groups, but the weights of one group's rows differ, first in row "
                    f"{int(np.argmin(even))}: give one weight for each of the {bounds.size - 1} groups"
                )
        return label

    def start(self, data: DMatrix) -> Floats:
        """Return zero."""
        return np.zeros(1)

    def row_weight(self, data: DMatrix) -> Floats:
        """Return the weights of the rows' groups, with mean one over the groups."""
        if data.weight is None:
            return np.empty(0)
        weight = data.weight.astype(np.float64)
        return weight / weight[data.group_bounds()[:-1]].mean()

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Return sums over pairs of gradients and doubled hessians."""
        from boost.objective.kernels.order import falling
        from boost.objective.kernels.row_pairs import sum_pairs

        at = self._layout
        if at is None or at.source is not data.label or not np.array_equal(at.bounds, data.group_bounds()):
            at = self._layout = self._lay_out(data)
        rows = at.label.size
        unbiased = self.params["lambdarank_unbiased"]
        if unbiased and not self.ahead.size:
            longest = int(np.diff(at.bounds).max())
            positions = self.pairs if self.topk else min(longest, POSITIONS)
            self.ahead, self.behind = np.ones(positions), np.ones(positions)
        losses = np.zeros((2, rows if unbiased else 0))
        seed = np.random.SeedSequence((this_round.seed, this_round.iteration)).generate_state(1, np.uint64)[0]
        score = np.ascontiguousarray(margin[:, 0])
        order = np.arange(rows)
        grad, hess = np.empty((rows, 1)), np.empty((rows, 1))

        def sums(first: int, last: int) -> None:
            falling(score, at.bounds, first, last, order)
            sum_pairs(
                score,
                at.label,
                at.gain,
                at.discount,
                at.share,
                order,
                at.bounds,
                at.by_label,
                self.kind,
                first,
                last,
                at.pairs,
                seed,
                self.params["lambdarank_score_normalization"],
                self.topk and self.params["lambdarank_normalization"],
                self.ahead,
                self.behind,
                losses[0],
                losses[1],
                grad[:, 0],
                hess[:, 0],
            )

        this_round.team.share(sums, at.bounds.size - 1, at.work)
        if unbiased:
            self._estimate_bias(losses, at.bounds)
        return grad, hess

    def gains(self, label: Floats) -> Floats:
        """Return the gains of labels; empty when the loss has none."""
        return np.empty(0)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        entry = super().file_entry()
        if self.params["lambdarank_num_pair_per_sample"] is None:
            entry["lambdarank_param"]["lambdarank_num_pair_per_sample"] = str(NOT_SET)
        if self.params["lambdarank_unbiased"]:
            entry["ti+"], entry["tj-"] = self.ahead.tolist(), self.behind.tolist()
        return entry

    def restore(self, entry: dict[str, Any]) -> None:
        """Take over the estimates of the positions' bias from a model's file entry, to go on from there."""
        if self.params["lambdarank_unbiased"]:
            self.ahead = np.array(entry.get("ti+", []), np.float64)
            self.behind = np.array(entry.get("tj-", []), np.float64)

    def _lay_out(self, data: DMatrix) -> Layout:
        assert data.label is not None
        label = self.check(data)
        bounds = np.ascontiguousarray(data.group_bounds(), dtype=np.int64)
        sizes = np.diff(bounds)
        longest = int(sizes.max())
        # A pair is done once for both of its rows, a draw for the row that draws.
        enough = 1.0 if self.topk else 2.0 * DRAW_WORK / PAIR_WORK
        everything = self.pairs * enough >= longest - 1
        by_label = np.empty(0, np.int64)
        share = np.full(label.size, 0.5)
        if not self.topk:
            from boost.objective.kernels.order import falling

            by_label = np.empty(label.size, np.int64)
            falling(label, bounds, 0, sizes.size, by_label)
            scale = 1.0 if self.params["lambdarank_normalization"] else float(self.pairs)
            if everything:
                others = _others(label, by_label, bounds)
                share = np.divide(scale, others, out=np.zeros(label.size), where=others > 0)
                by_label = np.empty(0, np.int64)
            else:
                share *= scale / self.pairs
        gain = self.gains(label)
        discount = np.empty(0)
        if gain.size:
            discount = 1.0 / np.log2(np.arange(longest) + 2.0)
            gain = gain / _best(gain, bounds, self.pairs if self.topk else longest)
        first = np.minimum(sizes, self.pairs) if self.topk else sizes
        work = ROW_WORK * label.size
        if by_label.size:
            work += DRAW_WORK * self.pairs * label.size
        else:
            work += PAIR_WORK * float((first * (sizes - (first + 1) / 2)).sum())
        pairs = longest if everything else self.pairs
        return Layout(data.label, label, bounds, pairs, by_label, share, gain, discount, work)

    def _estimate_bias(self, losses: Floats, bounds: Ints) -> None:
        """Set the next round's ratios: the positions' losses over the first one's, to a power (eq. 30, 31).

        They are rounded as a model file holds them, so that training goes on from a file as from memory.
        """
        positions = self.ahead.size
        place = np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds))
        known = place < positions
        power = 1.0 / (1.0 + self.params["lambdarank_bias_norm"])
        for ratio, loss in zip((self.ahead, self.behind), losses, strict=True):
            sums = np.bincount(place[known], weights=loss[known], minlength=positions)
            if sums[0] >= 1e-16:
                ratio[:] = ((sums / sums[0]) ** power).astype(np.float32)


def _others(label: Floats, by_label: Ints, bounds: Ints) -> Floats:
    """Return how many rows of its group have another label than a row; shape (rows,)."""
    sizes = np.diff(bounds)
    ranked = label[by_label]
    new = np.concatenate(([True], ranked[1:] != ranked[:-1]))
    new[bounds[:-1]] = True
    run = np.cumsum(new) - 1
    others = np.empty(label.size)
    others[by_label] = np.repeat(sizes, sizes) - np.bincount(run)[run]
    return others


def _best(gain: Floats, bounds: Ints, top: int) -> Floats:
    """Return, for each row, the largest discounted sum of gains that its group's first rows could have."""
    from boost.objective.kernels.order import falling

    sizes = np.diff(bounds)
    order = np.empty(gain.size, np.int64)
    falling(gain, bounds, 0, sizes.size, order)
    place = np.arange(gain.size) - np.repeat(bounds[:-1], sizes)
    term = np.where(place < top, gain[order] / np.log2(place + 2.0), 0.0)
    best = np.add.reduceat(term, bounds[:-1])
    return np.repeat(np.where(best > 0, best, 1.0), sizes)


class Pairwise(Ranking):
    """RankNet: every pair counts alike. Labels may be any numbers.

    References
    ----------
    C. Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """

    name = "rank:pairwise"
    metric_base = "ndcg"
    kind = 0


class NDCG(Ranking):
    """Pairs weigh as much as they change the normalised discounted cumulative gain; see `boost.metric`."""

    name = "rank:ndcg"
    metric_base = "ndcg"
    kind = 1

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.allowed_labels = "of at least 0"
        if params["ndcg_exp_gain"]:
            self.allowed_labels = "from 0 to 31, for gains of 2**label - 1"
            self.label_hint = ": with ndcg_exp_gain=False, gains are the labels"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Allow labels whose gains are not negative, and not too large."""
        return (label >= 0) & (label <= (31 if self.params["ndcg_exp_gain"] else np.inf))

    def gains(self, label: Floats) -> Floats:
        """Return 2**label - 1, or the label."""
        return np.exp2(label) - 1.0 if self.params["ndcg_exp_gain"] else label


class AveragePrecision(Ranking):
    """Pairs weigh as much as they change the average precision. Labels are 0 and 1."""

    name = "rank:map"
    metric_base = "map"
    kind = 2
    allowed_labels = "0 and 1"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Allow 0 and 1."""
        return (label == 0) | (label == 1)


RANKING: tuple[type[Objective], ...] = (NDCG, AveragePrecision, Pairwise)
