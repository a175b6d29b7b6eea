"""Ranking losses: sums over pairs of rows of one query group whose labels differ (LambdaMART)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import LabelError
from boost.objective.base import TINY, Floats, Objective, Round

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.objective.gradients.row_pairs import Queries
    from boost.params import Params

Ints = NDArray[np.int64]
# Positions for which the bias is estimated when pairs are drawn.
POSITIONS = 32
# The value in XGBoost's model files for a lambdarank_num_pair_per_sample that was not given.
NOT_SET = 2**32 - 1
# Nanoseconds per pair, per pair whose partner is drawn, and per row that is sorted and copied.
PAIR_WORK, DRAW_WORK, ROW_WORK = 1.0, 16.0, 30.0


@dataclass(frozen=True, slots=True, eq=False)
class PreparedTable:
    """The quantities that are computed from a table once, for all rounds.

    Attributes
    ----------
    queries : Queries
    pairs : int
        How many of the first rows of a group are paired with all rows after them, or how many partners a row
        draws.
    work : float
        Estimated nanoseconds of a gradient.
    """

    queries: Queries
    pairs: int
    work: float


Layout = PreparedTable  # its name in pickles of version 0.1


class Ranking(Objective):
    """Logistic loss of the margin differences of pairs; larger labels rank higher. Start: zero.

    The weight of a pair is the change of a metric if its rows swapped places (for `Pairwise`, 1). With
    lambdarank_score_normalization it is divided by the distance of the margins plus 0.01, unless all margins
    of the group are equal.

    lambdarank_pair_method determines the pairs:

    - topk: each of the first rows of a group by margin, with every row after it. With
      lambdarank_normalization, the sum S of a group's gradients is scaled to log2(1 + S).
    - mean: each row with partners drawn from the rows of other labels. With lambdarank_normalization, sums
      are divided by the number of partners. Where drawing is no cheaper (the longest group has no more than
      32 times as many rows as a row has partners), each row is paired with all rows of other labels,
      weighted by the expected number of draws.

    Group weights are scaled to a mean of one.

    Attributes
    ----------
    pairs : int
        lambdarank_num_pair_per_sample, or its default for the pair method.
    relevant_bias, irrelevant_bias : float64 arrays of shape (positions,)
        The estimates ti+ and tj- of the position bias; empty before the first round, and without
        lambdarank_unbiased.

    References
    ----------
    C. Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82.
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
        self.relevant_bias: Floats = np.empty(0)
        self.irrelevant_bias: Floats = np.empty(0)

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        bounds = data.group_bounds()
        if data.weight is not None:
            equal = data.weight == np.repeat(data.weight[bounds[:-1]], np.diff(bounds))
            if not equal.all():
                raise LabelError(
                    f"{self.name} weighs groups, but the weights of one group's rows differ, first in row "
                    f"{int(np.argmin(equal))}: give one weight for each of the {bounds.size - 1} groups"
                )
        return label

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return that the labels of each query group are equal, if they are."""
        bounds = data.group_bounds()
        assert data.label is not None
        first = np.repeat(data.label[bounds[:-1]], np.diff(bounds))
        return "all labels of a query group are equal, in every group" if (data.label == first).all() else ""

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
        from boost.data.group_order import sort_groups
        from boost.objective.gradients import row_pairs

        prepared: PreparedTable = self.kept("prepared", data, ["label", "_bounds"], self._prepare)
        queries = prepared.queries
        rows, groups = queries.label.size, queries.bounds.size - 1
        unbiased = self.params["lambdarank_unbiased"]
        if unbiased and not self.relevant_bias.size:
            longest = int(np.diff(queries.bounds).max())
            positions = self.pairs if self.topk else min(longest, POSITIONS)
            self.relevant_bias, self.irrelevant_bias = np.ones(positions), np.ones(positions)
        losses = np.zeros((2, rows if unbiased else 0))
        bias = row_pairs.Bias(self.relevant_bias, self.irrelevant_bias, *losses)
        options = row_pairs.PairOptions(
            kind=self.kind,
            pairs=prepared.pairs,
            seed=_seed(this_round),
            by_distance=self.params["lambdarank_score_normalization"],
            logarithmic=self.topk and self.params["lambdarank_normalization"],
        )
        ranked = row_pairs.Ranked(np.ascontiguousarray(margin[:, 0]), np.arange(rows))
        grad, hess = np.empty(rows), np.empty(rows)

        def sum_groups(first: int, last: int) -> None:
            sort_groups(ranked.margin, queries.bounds, first, last, ranked.order)
            if queries.by_label.size:
                row_pairs.sum_drawn_pairs(ranked, queries, options, bias, first, last, grad, hess)
            elif bias.relevant.size:
                row_pairs.sum_pairs_unbiased(ranked, queries, options, bias, first, last, grad, hess)
            else:
                row_pairs.sum_pairs(ranked, queries, options, first, last, grad, hess)

        this_round.team.share(sum_groups, groups, prepared.work)
        if unbiased:
            self._estimate_bias(losses, queries.bounds)
        return grad[:, np.newaxis], hess[:, np.newaxis]

    def gains(self, label: Floats) -> Floats:
        """Return the gains of labels; an empty array for losses without gains."""
        return np.empty(0)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        entry = super().file_entry()
        if self.params["lambdarank_num_pair_per_sample"] is None:
            entry["lambdarank_param"]["lambdarank_num_pair_per_sample"] = str(NOT_SET)
        if self.params["lambdarank_unbiased"]:
            entry["ti+"], entry["tj-"] = self.relevant_bias.tolist(), self.irrelevant_bias.tolist()
        return entry

    def estimates(self) -> tuple[Floats, Floats]:
        """Return copies of the estimates of the position bias."""
        return self.relevant_bias.copy(), self.irrelevant_bias.copy()

    def set_estimates(self, estimates: tuple[Floats, Floats]) -> None:
        """Set the estimates of the position bias."""
        self.relevant_bias, self.irrelevant_bias = estimates

    def restore(self, entry: dict[str, Any]) -> None:
        """Restore the estimates of the position bias from the entry "objective" of a model file."""
        if self.params["lambdarank_unbiased"]:
            self.relevant_bias = np.array(entry.get("ti+", []), np.float64)
            self.irrelevant_bias = np.array(entry.get("tj-", []), np.float64)

    def _prepare(self, data: DMatrix) -> PreparedTable:
        """Check the labels, and compute what the gradients of all rounds share."""
        from boost.data.group_order import sort_groups
        from boost.objective.gradients.row_pairs import Queries

        assert data.label is not None
        label = self.check(data)
        bounds = np.ascontiguousarray(data.group_bounds(), dtype=np.int64)
        sizes = np.diff(bounds)
        longest = int(sizes.max())
        # A pair is computed once for both of its rows, a drawn one for the row that draws.
        break_even = 1.0 if self.topk else 2.0 * DRAW_WORK / PAIR_WORK
        all_pairs = self.pairs * break_even >= longest - 1
        by_label = np.empty(0, np.int64)
        share = np.full(label.size, 0.5)
        if not self.topk:
            by_label = np.empty(label.size, np.int64)
            sort_groups(label, bounds, 0, sizes.size, by_label)
            scale = 1.0 if self.params["lambdarank_normalization"] else float(self.pairs)
            if all_pairs:
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
        work = ROW_WORK * label.size
        if by_label.size:
            work += DRAW_WORK * self.pairs * label.size
        else:
            first = np.minimum(sizes, self.pairs) if self.topk else sizes
            work += PAIR_WORK * float((first * (sizes - (first + 1) / 2)).sum())
        queries = Queries(bounds, label, share, gain, discount, by_label)
        return PreparedTable(queries, longest if all_pairs else self.pairs, work)

    def _estimate_bias(self, losses: Floats, bounds: Ints) -> None:
        """Set the ratios of the next round: powers of the losses of positions over that of the first one.

        They are rounded to the precision of a model file, so that training continues from a file as from
        memory. (Hu et al., "Unbiased LambdaMART", WWW 2019, equations 30 and 31.)
        """
        positions = self.relevant_bias.size
        place = np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds))
        estimated = place < positions
        power = 1.0 / (1.0 + self.params["lambdarank_bias_norm"])
        for ratio, loss in zip((self.relevant_bias, self.irrelevant_bias), losses, strict=True):
            sums = np.bincount(place[estimated], weights=loss[estimated], minlength=positions)
            if sums[0] >= TINY:
                ratio[:] = ((sums / sums[0]) ** power).astype(np.float32)


def _seed(this_round: Round) -> np.uint64:
    sequence = np.random.SeedSequence((this_round.seed, this_round.iteration))
    return np.uint64(sequence.generate_state(1, np.uint64)[0])


def _others(label: Floats, by_label: Ints, bounds: Ints) -> Floats:
    """Return the number of rows with another label in the group of each row; float64, shape (rows,)."""
    sizes = np.diff(bounds)
    ranked = label[by_label]
    new = np.concatenate(([True], ranked[1:] != ranked[:-1]))
    new[bounds[:-1]] = True
    run = np.cumsum(new) - 1
    others = np.empty(label.size)
    others[by_label] = np.repeat(sizes, sizes) - np.bincount(run)[run]
    return others


def _best(gain: Floats, bounds: Ints, top: int) -> Floats:
    """Return the ideal DCG of the first `top` rows of each row's group, 1 where it is zero; shape (rows,)."""
    from boost.data.group_order import sort_groups

    sizes = np.diff(bounds)
    order = np.empty(gain.size, np.int64)
    sort_groups(gain, bounds, 0, sizes.size, order)
    place = np.arange(gain.size) - np.repeat(bounds[:-1], sizes)
    term = np.where(place < top, gain[order] / np.log2(place + 2.0), 0.0)
    best = np.add.reduceat(term, bounds[:-1])
    return np.repeat(np.where(best > 0, best, 1.0), sizes)


class Pairwise(Ranking):
    """RankNet: all pairs have the same weight. Labels may be any numbers.

    References
    ----------
    C. Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """

    name = "rank:pairwise"
    metric_base = "ndcg"
    kind = 0


class NDCG(Ranking):
    """LambdaMART: the weight of a pair is the change of the normalised discounted cumulative gain.

    References
    ----------
    C. Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82.
    """

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
        """Return which labels have gains that are not negative, and that float64 holds exactly."""
        return (label >= 0) & (label <= (31 if self.params["ndcg_exp_gain"] else np.inf))

    def gains(self, label: Floats) -> Floats:
        """Return 2**label - 1, or the label."""
        return np.exp2(label) - 1.0 if self.params["ndcg_exp_gain"] else label


class AveragePrecision(Ranking):
    """LambdaMART: the weight of a pair is the change of the average precision. Labels are 0 and 1."""

    name = "rank:map"
    metric_base = "map"
    kind = 2
    allowed_labels = "0 and 1"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are 0 or 1."""
        return (label == 0) | (label == 1)


RANKING: tuple[type[Objective], ...] = (NDCG, AveragePrecision, Pairwise)
