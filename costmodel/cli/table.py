"""What the commands that learn from a table share: the options about its columns, and tables of scores."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from costmodel.cli.terminal import new_console, note

if TYPE_CHECKING:
    from boost.preset import Choice
    from boost.tables.examples import Examples
    from boost.tables.roles import Review, Roles

F = TypeVar("F", bound=Callable[..., Any])
TASKS = ("auto", "regression", "classification", "ranking", "survival")


def _print_parameters(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from boost.params import describe

        click.echo(describe())
        context.exit()


OPTIONS = (
    click.argument("data", type=click.Path(path_type=Path)),
    click.option("--target", required=True, help="The column to predict; of survival times, the time."),
    click.option("--task", type=click.Choice(TASKS), default="auto", show_default=True),
    click.option(
        "--objective",
        help="The loss, by XGBoost's name, such as count:poisson, survival:cox, rank:ndcg; see --parameters.",
    ),
    click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help="A training parameter; may be repeated.",
    ),
    click.option(
        "--preset",
        type=click.Choice(["espalier", "xgboost"]),
        default="espalier",
        show_default=True,
        help="Chooses the parameters that are not given; xgboost: its defaults.",
    ),
    click.option("--weight", metavar="COLUMN", help="The weights of the rows."),
    click.option(
        "--group",
        metavar="COLUMN",
        help="Rows of one value stay together when rows are split; the queries of a ranking.",
    ),
    click.option(
        "--event",
        metavar="COLUMN[=VALUE]",
        help="Of survival times: 1 (or VALUE) where the event was observed, else the time is censored.",
    ),
    click.option(
        "--id", "ids", multiple=True, metavar="COLUMN", help="No feature; is written beside predictions."
    ),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not a feature."),
    click.option(
        "--categorical",
        multiple=True,
        metavar="COLUMN",
        help="A column that is categories, whatever it holds.",
    ),
    click.option(
        "--keep", multiple=True, metavar="COLUMN", help="Use a column of text although it names rows."
    ),
    click.option(
        "--date",
        "dates",
        multiple=True,
        metavar="COLUMN[=FORMAT]",
        help="A column of dates in text, such as sold=%d/%m/%Y; common formats are recognized.",
    ),
    click.option(
        "--coverage",
        type=float,
        help="Train intervals that contain this share of new labels, such as 0.9; for a regression.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option(
        "--parameters",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_parameters,
        help="List the training parameters and exit.",
    ),
)


def table_options(command: F) -> F:
    """Add the options of `TableOptions` to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a table is and what is learnt from it, as the command line gives it; see the help of `train`."""

    data: Path
    target: str
    task: str
    objective: str | None
    params: tuple[str, ...]
    preset: str
    weight: str | None
    group: str | None
    event: str | None
    ids: tuple[str, ...]
    ignore: tuple[str, ...]
    categorical: tuple[str, ...]
    keep: tuple[str, ...]
    dates: tuple[str, ...]
    coverage: float | None
    seed: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> TableOptions:
        """Return these options of all of a command's."""
        return cls(**{one.name: options[one.name] for one in fields(TableOptions)})

    def parameters(self) -> dict[str, Any]:
        """Return the training parameters; a value that is not JSON is a string."""
        given = dict(map(parse_parameter, self.params))
        return given if self.objective is None else {**given, "objective": self.objective}

    def roles(self) -> Roles:
        """Return what the columns are."""
        from boost.tables.roles import Roles

        objective = self.parameters().get("objective")
        regression = self.coverage is not None and objective is None and self.task == "auto"
        event, equals, value = (self.event or "").partition("=")
        dates = {name: form or None for name, _, form in (text.partition("=") for text in self.dates)}
        return Roles(
            target=self.target,
            task="regression" if regression else self.task,
            objective=None if objective is None else str(objective),
            weight=self.weight,
            group=self.group,
            event=event or None,
            event_value=value if equals else None,
            ids=self.ids,
            ignored=self.ignore,
            categorical=self.categorical,
            kept=self.keep,
            dates=dates,
        )

    def arguments(self) -> list[str]:
        """Return the words of a command line that gives these options; defaults are left out."""
        words = [str(self.data), "--target", self.target]
        single = {"task": "auto", "objective": None, "preset": "espalier", "weight": None, "group": None}
        for name, default in {**single, "event": None, "coverage": None, "seed": 0}.items():
            if (value := getattr(self, name)) != default:
                words += [f"--{name}", str(value)]
        several = {"params": "param", "ids": "id", "dates": "date"}
        for name in ("params", "ids", "ignore", "categorical", "keep", "dates"):
            for value in getattr(self, name):
                words += [f"--{several.get(name, name)}", value]
        return words

    def read(self) -> tuple[Examples, Review]:
        """Read the table; print what a reader should know of it to standard error."""
        from boost.tables.examples import read_examples
        from boost.tables.file import read_table

        notes: list[str] = []
        frame = read_table(self.data, notes)
        examples, review = read_examples(frame, self.roles())
        for text in (*notes, *review.notes):
            note(text)
        return examples, review


def parse_parameter(text: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``; a value that is not JSON is a string."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--param must be NAME=VALUE, such as max_depth=6, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def described(examples: Examples, dates: Mapping[str, Any]) -> str:
    """Return what is learnt from how many columns, in one line."""
    target = examples.target
    task = target.task
    if target.classes:
        task += f" of {len(target.classes)} classes"
    if target.event is not None:
        task += f" ({target.event.mean():.0%} of the events observed)"
    if target.task == "ranking" and examples.group is not None:
        task += f" in {examples.group.max() + 1:,} groups"
    kinds = examples.features.dtypes.drop(list(dates))
    text = sum(getattr(kind, "kind", "O") not in "biuf" for kind in kinds)
    parts = [f"{text} of them categories"] * (text > 0) + [f"{len(dates)} dates"] * (len(dates) > 0)
    columns = ", ".join([f"{examples.features.shape[1]} columns", *parts])
    return f"{task} of {target.name!r}: {len(examples):,} rows, {columns}"


def chosen(choice: Choice) -> str:
    """Return what the preset chose, in lines that fit a terminal."""
    found = f"{choice.rounds} rounds"
    if choice.members > 1:
        found += f", found on rows left out: {choice.members} models are averaged, each without "
        found += f"1/{choice.parts} of the rows"
    values = [f"{name}={_short(value)}" for name, value in {**choice.params, **choice.varied}.items()]
    text = f"preset {choice.preset}: {found}; {', '.join(values) or 'the defaults of the parameters'}"
    return textwrap.fill(text, 80, subsequent_indent="  ", break_on_hyphens=False)


def _short(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "|".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def print_scores(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print the scores of several models, a line each, beside each other."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    for name in names:
        table.add_column(name, justify="right")
    for label, scores in rows.items():
        table.add_row(label, *(figure(scores[name]) if name in scores else "" for name in names))
    click.echo(title)
    new_console().print(table)


def figure(value: float) -> str:
    """Return a score as text, with about four digits."""
    if value != value:
        return "-"
    if abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def is_worse(scores: Mapping[str, float], constant: Mapping[str, float]) -> bool:
    """Whether the first score of a model is no better than that of the constant prediction."""
    from boost.tables.scores import HIGHER

    name = next(iter(scores))
    if name == "coverage":
        return False
    gain = scores[name] - constant[name]
    return gain <= 0 if name in HIGHER or name.startswith("NDCG") else gain >= 0
