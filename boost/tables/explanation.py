"""Shapley values of the predictions for a table, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from boost.tables.model import TableModel

# The columns of a table of contributions that are not features.
ROW, OUTPUT, BASE, MARGIN = "row", "output", "(base)", "(margin)"
NO_FEATURES = (ROW, OUTPUT, BASE, MARGIN)


def contributions(model: TableModel, features: pd.DataFrame) -> pd.DataFrame:
    """Return the contribution of each feature to the margin of each row: exact Shapley values.

    Returns
    -------
    DataFrame
        A row for each row of the table and output of the model. Columns: ``row``, the row number; ``output``,
        the name of the output, if there are several; one column for each feature; ``(base)``, the expected
        margin; ``(margin)``, the margin of the row, which is the sum of the base and the contributions.
    """
    import pandas as pd

    table = model.table(features)
    values = np.asarray(model.booster.predict(table, pred_contribs=True, strict_shape=True))
    rows, outputs, columns = values.shape
    names = table.feature_names or [f"f{i}" for i in range(columns - 1)]
    out: dict[str, Any] = {ROW: np.repeat(np.arange(rows), outputs)}
    if outputs > 1:
        out[OUTPUT] = model.output_names() * rows
    flat = values.reshape(rows * outputs, columns)
    out |= {name: flat[:, f] for f, name in enumerate([*names, BASE])}
    out[MARGIN] = flat.sum(axis=1)
    return pd.DataFrame(out)


def mean_contributions(table: pd.DataFrame) -> pd.Series:
    """Return the mean absolute contribution of each feature of a table of contributions, largest first."""
    names = [c for c in table.columns if c not in NO_FEATURES]
    return table[names].abs().mean().sort_values(ascending=False)
