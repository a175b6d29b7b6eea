"""Target statistics: the mean label of the rows of a category, in place of the category or beside it.

CatBoost's ordered statistics (Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features",
2018, section 3.2): a training row has the mean over the rows before it in a random order, so that its own
label is no part of its value. Other rows have the mean over all training rows of the category.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.frames.dictionary import check_same_types, sort_key
from boost.data.frames.raw import levels
from boost.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TargetStatistic:
    """The mean labels of categories, or of pairs and larger combinations of categories.

    The mean of a category with the sum s of its labels and the weight n is ``(s + strength * mean) / (n +
    strength)``, with the mean over all training rows, which is also the value of a category that the training
    did not meet. Missing values are a category of their own.

    Parameters
    ----------
    columns : tuple of str
        One column, or those that are combined.
    dictionaries : tuple of tuple
        The categories of each column, by code; the code after the last one is that of missing values.
    combinations : tuple of int
        The combinations of the training, increasing: a number for each, whose digits are the codes.
    means : tuple of tuple of float
        For each derived column the value of each combination, and at the end the mean of all rows.
    strength : float
        How many rows of the overall mean are added to each category.
    labels : tuple of str
        What each derived column is a mean of: ``("target",)``, or a class for each column.
    """

    columns: tuple[str, ...]
    dictionaries: tuple[tuple[Any, ...], ...]
    combinations: tuple[int, ...]
    means: tuple[tuple[float, ...], ...]
    strength: float
    labels: tuple[str, ...] = ("target",)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that the derived ones are made of."""
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the derived columns, such as ``city: mean of target``."""
        return tuple(f"{' x '.join(self.columns)}: mean of {label}" for label in self.labels)

    @classmethod
    def fit(
        cls,
        values: Sequence[Any],
        columns: Sequence[str],
        targets: Mapping[str, ArrayLike],
        *,
        rng: np.random.Generator,
        strength: float = 1.0,
        weight: ArrayLike | None = None,
    ) -> tuple[TargetStatistic, dict[str, Floats]]:
        """Return the statistics of training rows, and the derived columns of these rows.

        Parameters
        ----------
        values : sequence of columns, each of shape (rows,)
            Of a frame: pandas or polars Series, or PyArrow arrays.
        columns : sequence of str
            Their names.
        targets : mapping of str to array of shape (rows,)
            What is averaged, by what it is called.
        rng : numpy.random.Generator
            For the order of the rows.
        strength : float
            Not negative, see the class.
        weight : array of shape (rows,), optional
            Of the rows.

        Raises
        ------
        DataError
            For a negative strength, targets that are not finite, and columns of dates or mixed values.
        """
        if not strength >= 0:
            raise DataError(f"strength must be at least 0, got {strength}")
        read = [levels(v, name) for v, name in zip(values, columns, strict=True)]
        dictionaries = tuple(tuple(dictionary) for _, dictionary in read)
        codes = [np.where(c < 0, len(d), c) for (c, _), d in zip(read, dictionaries, strict=True)]
        combinations, place = np.unique(_numbers(codes, dictionaries), return_inverse=True)
        weights = np.ones(place.size) if weight is None else np.asarray(weight, dtype=np.float64)
        order = rng.permutation(place.size)
        order = order[np.argsort(place[order], kind="stable")]  # by category, then in the random order
        first = np.searchsorted(place[order], np.arange(combinations.size))
        means, derived = [], []
        for label, target in targets.items():
            y = np.asarray(target, dtype=np.float64)
            if not np.isfinite(y).all():
                raise DataError(f"the statistics of {', '.join(columns)} need finite labels ({label})")
            # not by a product of vectors, whose rounding depends on the number of threads
            overall = float((weights * y).sum() / weights.sum()) if weights.sum() > 0 else 0.0
            sums = _before(weights[order] * (y[order] - overall), first, place[order])
            counts = _before(weights[order], first, place[order])
            value = np.empty(y.size)
            value[order] = overall + _divided(sums, counts + strength)
            derived.append(value)
            whole = np.bincount(place, weights * (y - overall), combinations.size).astype(np.float64)
            rows = np.bincount(place, weights, combinations.size).astype(np.float64)
            means.append((*(overall + _divided(whole, rows + strength)).tolist(), overall))
        fitted = cls(
            tuple(columns),
            dictionaries,
            tuple(combinations.tolist()),
            tuple(means),
            float(strength),
            tuple(targets),
        )
        return fitted, dict(zip(fitted.names, derived, strict=True))

    def transform(self, *values: Any) -> dict[str, Floats]:
        """Return the derived columns of other rows by name; float64, shape (rows,).

        Parameters
        ----------
        *values : columns, each of shape (rows,), those of `columns`

        Raises
        ------
        DataError
            For a column of strings where the training had numbers, or vice versa.
        """
        place = self._places(values)
        return {name: np.asarray(means)[place] for name, means in zip(self.names, self.means, strict=True)}

    def unread(self, *values: Any) -> int:
        """Return the number of rows whose category, or combination, the training did not meet."""
        return int((self._places(values) == len(self.combinations)).sum())

    def _places(self, values: Sequence[Any]) -> Ints:
        """Return the index of each row's combination; after the last one where there is none."""
        codes = []
        for column, name, dictionary, code in zip(
            values, self.columns, self.dictionaries, self._codes, strict=True
        ):
            given, theirs = levels(column, name)
            check_same_types(theirs, dictionary, name)
            table = [code.get(sort_key(v), -1) for v in theirs]
            codes.append(np.array([*table, len(dictionary)], dtype=np.int64)[given])
        known = np.logical_and.reduce([c >= 0 for c in codes])
        numbers = _numbers([np.maximum(c, 0) for c in codes], self.dictionaries)
        combinations = np.array(self.combinations, dtype=np.int64)
        place = np.searchsorted(combinations, numbers)
        found = np.append(combinations, -1)[place] == numbers
        return np.where(known & found, place, combinations.size)

    @cached_property
    def _codes(self) -> list[dict[Any, int]]:
        return [{sort_key(v): c for c, v in enumerate(d)} for d in self.dictionaries]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {
            "columns": list(self.columns),
            "dictionaries": [list(d) for d in self.dictionaries],
            "combinations": list(self.combinations),
            "means": [list(m) for m in self.means],
            "strength": self.strength,
            "labels": list(self.labels),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> TargetStatistic:
        """Return the statistic of a result of `to_json`; raise `DataError` for other fields."""
        try:
            made = cls(
                tuple(fields["columns"]),
                tuple(tuple(d) for d in fields["dictionaries"]),
                tuple(int(c) for c in fields["combinations"]),
                tuple(tuple(float(v) for v in m) for m in fields["means"]),
                float(fields["strength"]),
                tuple(fields["labels"]),
            )
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"the fields of a target statistic are damaged: {error!r}") from None
        sizes = {len(m) for m in made.means}
        if (
            sizes != {len(made.combinations) + 1}
            or len(made.labels) != len(made.means)
            or len(made.dictionaries) != len(made.columns)
            or list(made.combinations) != sorted(set(made.combinations))
        ):
            raise DataError(f"the fields of the statistic of {made.columns} do not fit each other")
        return made


def _numbers(codes: Sequence[Ints], dictionaries: Sequence[Sequence[Any]]) -> Ints:
    """Return the number of each row's combination, whose digits are the codes."""
    number = np.zeros(codes[0].size, dtype=np.int64)
    for code, dictionary in zip(codes, dictionaries, strict=True):
        number = number * (len(dictionary) + 1) + code
    return number


def _before(terms: Floats, first: Ints, place: Ints) -> Floats:
    """Return the sums of the terms before each one within its category; the terms lie by category."""
    # Sums of each category from its own first term, so that the other categories' rounding has no influence.
    out = np.empty_like(terms)
    for begin, end in zip(first, [*first[1:].tolist(), terms.size], strict=True):
        if begin < end:
            out[begin] = 0.0
            np.cumsum(terms[begin : end - 1], out=out[begin + 1 : end])
    return out


def _divided(sums: Floats, counts: Floats) -> Floats:
    return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
