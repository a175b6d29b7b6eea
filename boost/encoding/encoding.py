"""`Encoding`: the columns that a model derives from those of a raw frame, in order; their fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from boost.data.frames.frame import is_frame
from boost.data.frames.raw import column_names, is_text, levels, raw_column, replace_columns
from boost.encoding.dates import DateParts, is_date_column
from boost.encoding.statistic import TargetStatistic
from boost.errors import DataError

# The attribute of a model that holds its encoding, which is saved with it.
ATTRIBUTE = "espalier_encoding"
# The kinds of derived columns, by their names in model files.
KINDS: dict[str, Any] = {"dates": DateParts, "statistic": TargetStatistic}


@dataclass(frozen=True)
class Options:
    """What is derived from the columns of a frame.

    Attributes
    ----------
    statistics : tuple of tuple of str
        The columns, or combinations of columns, that get target statistics.
    replace : bool
        Whether a single column with statistics is left out itself.
    strength : float
        See `boost.encoding.statistic.TargetStatistic`.
    classes : int
        With labels that are classes: their number; each class but the first gets a column. 0 for numbers.
    dates : mapping of str to str or None
        The columns of dates that become their parts, and the format of those in text; see
        `boost.encoding.dates.DateParts`.
    """

    statistics: tuple[tuple[str, ...], ...] = ()
    replace: bool = False
    strength: float = 1.0
    classes: int = 0
    dates: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoding:
    """Derived columns, in order, and the columns that are left out of a frame.

    Parameters
    ----------
    derived : tuple of derived columns
        Each has `sources`, `names`, ``transform(*columns)``, ``unread(*columns)``, `to_json` and `from_json`.
    dropped : tuple of str
        The columns of the raw frame that the encoded one does not have.
    """

    derived: tuple[Any, ...] = ()
    dropped: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: Any,
        labels: ArrayLike,
        *,
        seed: int = 0,
        options: Options | None = None,
        weight: ArrayLike | None = None,
    ) -> tuple[Encoding, Any]:
        """Return the encoding of training rows, and their encoded frame.

        Parameters
        ----------
        frame : pandas or polars DataFrame, or PyArrow Table, of shape (rows, columns)
        labels : array of shape (rows,)
            Numbers; classes from 0.
        seed : int
            Of the order of the rows in target statistics.
        options : Options, optional
        weight : array of shape (rows,), optional

        Returns
        -------
        encoding : Encoding
        encoded : frame of the same library
            The frame itself when nothing is derived. Target statistics of a row do not contain its own label,
            so that this is not ``encoding.transform(frame)``.

        Raises
        ------
        DataError
            For an object of another library, unknown columns, and a derived name that the frame has.
        """
        options = options or Options()
        derived: list[Any] = []
        added: dict[str, Any] = {}
        dropped: list[str] = []
        for name, text_format in options.dates.items():
            parts = DateParts.fit(raw_column(frame, name), name, text_format)
            derived.append(parts)
            added.update(parts.transform(raw_column(frame, name)))
            dropped.append(name)
        targets = _targets(labels, options.classes) if options.statistics else {}
        seeds = np.random.SeedSequence(seed).spawn(len(options.statistics))
        for columns, stream in zip(options.statistics, map(np.random.default_rng, seeds), strict=True):
            values = [raw_column(frame, name) for name in columns]
            statistic, new = TargetStatistic.fit(
                values, columns, targets, rng=stream, strength=options.strength, weight=weight
            )
            derived.append(statistic)
            added.update(new)
            dropped += columns if options.replace and len(columns) == 1 else ()
        encoding = cls(tuple(derived), tuple(dict.fromkeys(dropped)))
        return encoding, encoding._encoded(frame, added)

    def transform(self, frame: Any) -> Any:
        """Return the encoded frame of raw rows that are not those of the training.

        A frame that has the derived columns already is returned as it is.

        Raises
        ------
        DataError
            For columns that are missing or of another type.
        """
        if not self.derived or self.is_encoded(column_names(frame)):
            return frame
        added: dict[str, Any] = {}
        for column in self.derived:
            added.update(column.transform(*(raw_column(frame, name) for name in column.sources)))
        return self._encoded(frame, added)

    def is_encoded(self, names: Sequence[str]) -> bool:
        """Return whether a table of columns of these names has all derived columns."""
        return {name for column in self.derived for name in column.names} <= set(names)

    def unread(self, frame: Any) -> dict[str, int]:
        """Return the rows whose values the training did not meet, by the source columns; those with any."""
        counts = {
            " x ".join(c.sources): c.unread(*(raw_column(frame, name) for name in c.sources))
            for c in self.derived
        }
        return {name: count for name, count in counts.items() if count}

    def _encoded(self, frame: Any, added: Mapping[str, Any]) -> Any:
        if not self.derived and not self.dropped:
            return frame
        taken = set(column_names(frame))
        for name in added:
            if name in taken:
                raise DataError(f"the data has a column {name!r}, which the model derives: rename it")
        return replace_columns(frame, self.dropped, added)

    def to_json(self) -> str:
        """Return the text that a model keeps."""
        kinds = {kind: name for name, kind in KINDS.items()}
        derived = [{"kind": kinds[type(c)], **c.to_json()} for c in self.derived]
        return json.dumps({"derived": derived, "dropped": list(self.dropped)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Encoding:
        """Return the encoding of a result of `to_json`.

        Raises
        ------
        DataError
            For text that is damaged or was written by a newer version.
        """
        try:
            held = json.loads(text)
            parts, dropped = held["derived"], tuple(map(str, held["dropped"]))
            kinds = [part["kind"] for part in parts]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"the encoding of the model is damaged: {error!r}") from None
        for kind in kinds:
            if kind not in KINDS:
                raise DataError(f"the model derives columns of the kind {kind!r}: a newer version wrote it")
        derived = [
            KINDS[part["kind"]].from_json({name: v for name, v in part.items() if name != "kind"})
            for part in parts
        ]
        return cls(tuple(derived), dropped)


def date_columns(frame: Any) -> list[str]:
    """Return the columns of a frame that have a type of dates; empty for anything but a frame."""
    names = column_names(frame) if is_frame(frame) else []
    return [name for name in names if is_date_column(raw_column(frame, name))]


def many_levels(frame: Any, least: int) -> dict[str, int]:
    """Return how many values each column of strings or categories has; those with at least `least`.

    Parameters
    ----------
    frame : object
        Empty for anything but a frame.
    least : int
    """
    found: dict[str, int] = {}
    for name in column_names(frame) if is_frame(frame) else ():
        column = raw_column(frame, name)
        if is_text(column):
            count = len(levels(column, name)[1])
            found |= {name: count} if count >= least else {}
    return found


def _targets(labels: ArrayLike, classes: int) -> dict[str, Any]:
    y = np.asarray(labels, dtype=np.float64)
    if y.ndim != 1:
        raise DataError(f"target statistics need labels of shape (rows,), got {y.shape}")
    if classes <= 2:
        return {"target": y}
    return {f"class {k}": y == k for k in range(classes)}
