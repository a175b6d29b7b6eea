"""Dates as columns of numbers: year, month, day, weekday, time of day, and the days that have passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import DataError

PARTS = ("year", "month", "day", "weekday", "hour", "minute", "second", "elapsed_days")
# pandas' name of the formats of ISO 8601, with or without a time and a zone
ISO = "ISO8601"
# Formats of dates in text, besides ISO's; of two that read a whole column, the first one is taken.
DAYS = (
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d %b %Y", "%b %d %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d-%b-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (ISO, *(day + time for day in DAYS for time in TIMES))
# Of the values of a column of dates in text, the share that must be dates, and how many are tried first.
LEAST_SHARE, TRIED = 0.98, 200
# Characters of the shortest date, as in 1/2/99.
SHORTEST = 6


@dataclass(frozen=True)
class DateParts:
    """The columns of numbers that are derived from a column of dates.

    Parameters
    ----------
    column : str
        Of dates, with or without a zone, or of text.
    parts : tuple of str
        Some of `PARTS`. ``elapsed_days`` counts from `origin`, with fractions; the weekday of a Monday is 0.
    origin : str
        A date and time in UTC.
    zone : str or None
        The zone whose local time the parts are, as in ``Europe/Paris``; None for dates without a zone.
    format : str or None
        Of text: that of `datetime.strptime`, or ``"ISO8601"``. None for a column of dates.
    """

    column: str
    parts: tuple[str, ...]
    origin: str
    zone: str | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        if bad := [part for part in self.parts if part not in PARTS]:
            raise DataError(
                f"unknown part {bad[0]!r} of the date {self.column!r} (known: {', '.join(PARTS)})"
            )

    @classmethod
    def fit(cls, values: Any, column: str, format: str | None = None) -> DateParts:
        """Return the parts that vary in a column of training rows.

        Parameters
        ----------
        values : pandas or polars Series, PyArrow array, or array_like of datetime64 or text, shape (rows,)
        column : str
        format : str, optional
            Of text; recognized when absent, see `recognize_dates`.

        Raises
        ------
        DataError
            For a column without dates.
        """
        series = _series(values)
        if not _holds_dates(series) and format is None:
            format = recognize_dates(series)
            if format is None:
                raise DataError(f"column {column!r} holds no dates in a known format: give their format")
        zone = _zone(series if format is None else _parsed(_text(series.dropna()), format))
        dates = _utc(series, format, zone)
        if not dates.notna().any():
            raise DataError(
                f"column {column!r} holds no date" + (f" of the format {format!r}" if format else "")
            )
        origin = dates.min().isoformat()
        every = cls(column, PARTS, origin, zone, format)
        varying = {part: v for part, v in every._parts(dates).items() if np.unique(v[~np.isnan(v)]).size > 1}
        return cls(column, tuple(varying) or ("elapsed_days",), origin, zone, format)

    @property
    def sources(self) -> tuple[str, ...]:
        """The column of dates."""
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the derived columns, such as ``sold.year``."""
        return tuple(f"{self.column}.{part}" for part in self.parts)

    def transform(self, values: Any) -> dict[str, NDArray[np.float64]]:
        """Return the derived columns by name; NaN for what is missing or no date.

        Raises
        ------
        DataError
            For a column of dates in place of text or vice versa, where it cannot be converted.
        """
        parts = self._parts(self.read(values))
        return {f"{self.column}.{part}": parts[part] for part in self.parts}

    def read(self, values: Any) -> Any:
        """Return the dates as a pandas Series in UTC (in no zone, if those of the training had none)."""
        return _utc(_series(values), self.format, self.zone, self.column)

    def unread(self, values: Any) -> int:
        """Return the number of present values that are no date."""
        series = _series(values)
        return int((series.notna() & self.read(series).isna()).sum())

    def _parts(self, dates: Any) -> dict[str, NDArray[np.float64]]:
        import pandas as pd

        origin = pd.Timestamp(self.origin)
        local = dates if self.zone is None else dates.dt.tz_convert(self.zone)
        seconds = (dates - origin).dt.total_seconds().to_numpy(np.float64)
        parts = {
            part: getattr(local.dt, "day_of_week" if part == "weekday" else part).to_numpy(
                np.float64, na_value=np.nan
            )
            for part in PARTS
            if part != "elapsed_days"
        }
        return {**parts, "elapsed_days": seconds / 86_400}

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {**asdict(self), "parts": list(self.parts)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DateParts:
        """Return the parts of a result of `to_json`; raise `DataError` for other fields."""
        try:
            return cls(**{**fields, "parts": tuple(fields["parts"])})
        except (TypeError, KeyError) as error:
            raise DataError(f"the fields of the date parts are damaged: {error}") from None


def is_date_column(values: Any) -> bool:
    """Whether a column has a type of dates (not text, not times of day, not durations)."""
    return _holds_dates(_series(values))


def recognize_dates(values: Any) -> str | None:
    """Return the format of a column of dates in text; None for another column.

    Nearly all present values must be dates of one format, and the column must not be one of numbers.

    Parameters
    ----------
    values : pandas or polars Series, PyArrow array, or array_like of str, shape (rows,)
    """
    fits = formats_of(values)
    return fits[0] if fits else None


def formats_of(values: Any) -> list[str]:
    """Return the formats by which a column of text is one of dates, the likeliest first."""
    series = _series(values).dropna()
    first = series.iloc[:: max(1, len(series) // TRIED)].iloc[:TRIED]
    if not len(first) or not all(isinstance(v, str) for v in first):
        return []
    first = first.astype(str).str.strip()
    short = (first.str.len() < SHORTEST) | (first.str.count(r"\d") < 3)
    if short.mean() > 1 - LEAST_SHARE or first.str.fullmatch(r"[\d.,+-]*\d{5,}").all():
        return []
    likely = [format for format in FORMATS if _parsed(first, format).notna().mean() >= LEAST_SHARE]
    text = _text(series.drop_duplicates()) if likely else first
    shares: dict[str, float] = {}
    for format in likely:
        share = float(_parsed(text, format).notna().mean())
        if share >= LEAST_SHARE:
            shares[format] = share
    most = max(shares.values(), default=0.0)
    return [format for format in FORMATS if shares.get(format) == most]


def _series(values: Any) -> Any:
    import pandas as pd

    module = type(values).__module__.partition(".")[0]
    if module == "polars":
        zone = getattr(values.dtype, "time_zone", None)
        values = pd.Series(values.to_numpy())
        return values if zone is None else values.dt.tz_localize("UTC").dt.tz_convert(zone)
    if module == "pyarrow":
        values = values.to_pandas()
    return values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))


def _holds_dates(series: Any) -> bool:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series):
        return True
    if series.dtype != object:
        return False
    kinds = {type(v).__name__ for v in series.dropna().unique()}
    return bool(kinds) and kinds <= {"Timestamp", "datetime", "date", "datetime64"}


def _zone(series: Any) -> str | None:
    """Return the zone of a column of dates."""
    import pandas as pd

    zone = pd.to_datetime(series).dt.tz
    return None if zone is None else str(zone)


def _parsed(text: Any, format: str) -> Any:
    """Return text as dates; in UTC if it has zones."""
    import pandas as pd

    try:
        return pd.to_datetime(text, format=format, errors="coerce")
    except ValueError:  # several zones
        return pd.to_datetime(text, format=format, errors="coerce", utc=True)


def _text(series: Any) -> Any:
    return series.astype("string").str.strip().astype(object)


def _utc(series: Any, format: str | None, zone: str | None, column: str = "") -> Any:
    """Return dates in UTC, or without a zone if `zone` is None."""
    import pandas as pd

    if _holds_dates(series):
        dates = pd.to_datetime(series)
    elif series.isna().all():
        dates = pd.Series(np.full(len(series), np.datetime64("NaT", "ns")))
    elif series.dtype.kind in "biufc":
        raise DataError(f"column {column!r} holds numbers, but held dates in the training")
    else:
        dates = _parsed(_text(series), format or ISO)
    if zone is None:
        return dates if dates.dt.tz is None else dates.dt.tz_localize(None)
    if dates.dt.tz is None:
        dates = dates.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return dates.dt.tz_convert("UTC")
