"""The summary of a model: its `repr`, and a small HTML page for a notebook, without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from boost.show.importance import importance

if TYPE_CHECKING:
    from boost.model.model import Model

# Most features with a bar, and most letters of their names.
MOST_BARS = 10
MOST_LETTERS = 28
BAR_WIDTH, BAR_HEIGHT, NAME_WIDTH, NUMBER_WIDTH = 260, 18, 190, 80


def summary(model: Model) -> dict[str, Any]:
    """Return the objective and the sizes of a model, by name."""
    forest = model.forest
    entries: dict[str, Any] = {"objective": model.params.objective}
    if forest.n_outputs > 1:
        entries["outputs"] = forest.n_outputs
    entries |= {"rounds": forest.rounds, "trees": forest.trees, "features": model.n_features}
    if model.best_iteration is not None:
        entries["best iteration"] = model.best_iteration
    return entries


def as_text(model: Model, title: str) -> str:
    """Return the summary as one line, like the call of a constructor named `title`."""
    entries = (f"{name.replace(' ', '_')}={value!r}" for name, value in summary(model).items())
    return f"{title}({', '.join(entries)})"


def as_html(model: Model, title: str) -> str:
    """Return the summary as HTML, with bars of the total gain of the features."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in summary(model).items()
    )
    return (
        f'<div class="espalier-booster"><strong>{escape(title)}</strong>'
        f"<table>{rows}</table>{_bars(importance(model, 'total_gain'))}</div>"
    )


def _bars(score: dict[str, float]) -> str:
    if not score:
        return "<p>No tree has a split yet.</p>"
    best = sorted(score, key=lambda name: -score[name])[:MOST_BARS]
    longest = max(max(score.values()), 1e-300)
    title = "Total gain of the splits of each feature"
    if len(score) > len(best):
        title += f", the {len(best)} largest of {len(score)}"
    height = BAR_HEIGHT * len(best)
    width = NAME_WIDTH + BAR_WIDTH + NUMBER_WIDTH
    parts = [
        f"<p>{title}</p>",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="12" '
        'fill="currentColor">',
    ]
    for place, name in enumerate(best):
        shown = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
        length = BAR_WIDTH * max(score[name], 0.0) / longest
        middle = BAR_HEIGHT * place + 13
        parts.append(
            f'<text x="{NAME_WIDTH - 6}" y="{middle}" text-anchor="end">{escape(shown)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect x="{NAME_WIDTH}" y="{BAR_HEIGHT * place + 3}" width="{length:.1f}" '
            f'height="{BAR_HEIGHT - 6}" fill="#4c78a8"/>'
            f'<text x="{NAME_WIDTH + length + 5:.1f}" y="{middle}">{score[name]:.4g}</text>'
        )
    return "".join(parts) + "</svg>"
