"""What each column of a table is: target, weight, group, event, identifier or feature; what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boost.encoding.dates import DateParts, formats_of, is_date_column
from boost.errors import LISTED, TableError, unknown

if TYPE_CHECKING:
    import pandas as pd

# Text of at least so many different values, and with fewer rows for each of them, names the rows.
LEAST_VALUES, ROWS_PER_VALUE = 30, 1.1
# Text of which at least this share are numbers was probably meant as numbers.
MOSTLY_NUMBERS = 0.8
# Values of a column of text that are looked at before all of them are.
TRIED = 200


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of a table are, as a user states it; all columns that are not named are features.

    Parameters
    ----------
    target : str
        The column to predict; of survival times, the time.
    task : {"auto", "regression", "classification", "ranking", "survival"}
    objective : str, optional
        By XGBoost's name; it implies the task.
    weight : str, optional
        The weights of the rows.
    group : str, optional
        Rows of one value stay together when rows are split; for ranking, they are one query.
    event : str, optional
        Of survival times: 1 or true where the event was observed, 0 or false where the time is censored.
    event_value : str, optional
        The value of `event` that means observed, in place of 1.
    ids, ignored : sequence of str
        Columns that are no features; identifiers are written beside predictions.
    categorical, kept : sequence of str
        Columns that are categories, whatever they hold; text that is used although it names rows.
    dates : dict of str to str or None
        Formats of columns of dates in text; None for one that is recognized.
    """

    target: str
    task: str = "auto"
    objective: str | None = None
    weight: str | None = None
    group: str | None = None
    event: str | None = None
    event_value: str | None = None
    ids: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    dates: dict[str, str | None] = field(default_factory=dict)

    @property
    def no_features(self) -> tuple[str, ...]:
        """The columns that are neither target nor features."""
        single = (self.weight, self.group, self.event)
        return tuple(dict.fromkeys([*self.ids, *self.ignored, *(name for name in single if name)]))

    def check(self, frame: pd.DataFrame) -> None:
        """Raise `TableError` for columns that are missing, given twice, or given two roles."""
        columns = list(map(str, frame.columns))
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise TableError(f"two columns have the name {twice!r}: rename one of them")
        features = (*self.categorical, *self.kept, *self.dates)
        for name in (self.target, *self.no_features, *features):
            if name not in columns:
                raise TableError(unknown("column", name, columns))
        for name in (*self.no_features, *features):
            if name == self.target:
                raise TableError(
                    f"{name!r} is the target: it cannot be a feature, ignored or the weight, too"
                )
        for name in features:
            if name in self.no_features:
                raise TableError(f"{name!r} is given as a feature and as no feature")


@dataclass(frozen=True)
class Review:
    """What the features of a table hold.

    Attributes
    ----------
    dates : dict of str to str or None
        Columns of dates, and their formats in text.
    left_out : list of str
        Columns of text that names rows.
    notes : list of str
        What a reader should know, a line each.
    """

    dates: dict[str, str | None]
    left_out: list[str]
    notes: list[str]


def review(features: pd.DataFrame, roles: Roles) -> Review:
    """Find the columns of dates, of text that names rows, and others that may not be what they seem.

    Raises
    ------
    TableError
        For a column that is given as one of dates and holds none.
    """
    found = Review({}, [], [])
    for name in map(str, features.columns):
        if name not in roles.categorical:
            _review_column(features[name], name, roles, found)
    return found


def _review_column(column: pd.Series, name: str, roles: Roles, found: Review) -> None:
    import pandas as pd

    if name in roles.dates or is_date_column(column):
        _read_dates(column, name, roles.dates.get(name), found)
        return
    if pd.api.types.is_timedelta64_dtype(column) or isinstance(column.dtype, pd.PeriodDtype):
        raise TableError(f"column {name!r} holds {column.dtype}: convert it to numbers, or --ignore {name}")
    present = column.dropna()
    if pd.api.types.is_integer_dtype(column) and len(column) > LEAST_VALUES and len(present) == len(column):
        if (present.diff().iloc[1:] == 1).all() and name not in roles.kept:
            found.notes.append(
                f"column {name!r} numbers the rows, and is used as a feature: --id {name} keeps it out"
            )
        return
    if not len(present) or not (pd.api.types.is_string_dtype(column) or column.dtype == object):
        return
    if formats_of(column):
        _read_dates(column, name, None, found)
        return
    values = int(present.nunique())
    if values >= LEAST_VALUES and len(present) < ROWS_PER_VALUE * values and name not in roles.kept:
        found.left_out.append(name)
        found.notes.append(
            f"column {name!r} is left out: it is text that names rows, {values:,} values in "
            f"{len(present):,} rows; --keep {name} uses it"
        )
        return
    tried = present.iloc[:: max(1, len(present) // TRIED)]
    if pd.to_numeric(tried, errors="coerce").notna().mean() < MOSTLY_NUMBERS / 2:
        return
    bad = present[pd.to_numeric(present, errors="coerce").isna()]
    if 0 < len(bad) <= (1 - MOSTLY_NUMBERS) * len(present) and name not in roles.kept:
        found.notes.append(
            f"column {name!r} is read as text: {short_list(bad.unique(), 3)} in {len(bad)} of its "
            f"{len(present)} values are no numbers; leave them empty to use it as numbers"
        )


def _read_dates(column: pd.Series, name: str, format: str | None, found: Review) -> None:
    if not is_date_column(column) and format is None:
        formats = formats_of(column)
        format = formats[0] if formats else None
        if len(formats) > 1:
            found.notes.append(
                f"column {name!r} is read as dates {formats[0]}; it could be {formats[1]} as well: "
                f"--date '{name}={formats[1]}'"
            )
    parts = DateParts.fit(column, name, format)
    if bad := parts.unread(column):
        found.notes.append(
            f"column {name!r}: {bad} of {int(column.notna().sum())} values are no dates {format}"
        )
    found.dates[name] = parts.format
    words = ", ".join(part.replace("_", " ") for part in parts.parts)
    zone = f" in {parts.zone}" if parts.zone else ""
    found.notes.append(f"column {name!r} holds dates{zone}: used as {words}")


def short_list(values: Iterable[Any], most: int = LISTED) -> str:
    """Return the first values, and how many more there are, as text."""
    shown = [repr(v) if isinstance(v, str) else str(v) for v in values]
    more = f", ... {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
