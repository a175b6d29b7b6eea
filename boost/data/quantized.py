"""The `QuantileDMatrix`: a table for one number of bins, given whole or in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from boost.data.dmatrix import DMatrix
from boost.errors import DataError
from boost.params import BY_NAME


class QuantileDMatrix(DMatrix):
    """A `DMatrix` for one number of bins. It trains the same model as a `DMatrix` with that `max_bin`.

    Parameters
    ----------
    data : as for `DMatrix`, or batches
        Batches are a `DataIter`, or a function without arguments that returns an iterable of them, such as a
        generator: values, tuples of values, labels and weights, or dicts of arguments of `DMatrix`. They are
        read twice, once for the cuts and once for the bins; memory then holds bins, one or two bytes for a
        value and as much again for a copy by column, and at no time the values of more than one batch.
        However a table is cut into batches, the model is the same, byte for byte. Such a table trains with
        tree_method="hist" only; categories are joined across the batches.
    label, **options
        As for `DMatrix`; with batches, labels and weights come with them.
    max_bin : int, optional
        Must be that of the training parameters. That of `ref` when absent, or else the default of the
        parameters.
    ref : DMatrix, optional
        Where this table is to evaluate a model, the training table: the two must have the same columns, and
        values become codes by the cuts and the categories of `ref`.

    Raises
    ------
    DataError
        As `DMatrix`; also for batches that do not belong to one table, and for an iterator that is not the
        same in the second reading.
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        max_bin: int | None = None,
        ref: DMatrix | None = None,
        **options: Any,
    ) -> None:
        from boost.data.batches import is_batches
        from boost.data.columns import fit_columns

        if max_bin is not None and (isinstance(max_bin, bool) or int(max_bin) != max_bin or max_bin < 2):
            raise DataError(f"max_bin must be an integer of at least 2, got {max_bin!r}")
        if ref is not None and max_bin is not None and ref.max_bin not in (None, max_bin):
            raise DataError(f"ref has max_bin={ref.max_bin}, got max_bin={max_bin}: give both the same")
        self.max_bin = int(max_bin) if max_bin is not None else None if ref is None else ref.max_bin
        self.ref = ref
        if is_batches(data):
            self._read(data, label, options)
            return
        super().__init__(data, label, **options)
        if ref is not None:
            names, types = ref.feature_names, ref.feature_types
            fitted = fit_columns(self, ref.num_col(), names, types, ref.categories, whose="ref")
            self.__dict__.update(fitted.__dict__)

    def _read(self, source: Any, label: ArrayLike | None, options: dict[str, Any]) -> None:
        """Fill the table from batches."""
        from boost.data.batches import INFO, OPTIONS, Reader
        from boost.data.binned import BinnedValues
        from boost.data.binning import bin_table
        from boost.threads import Team

        unfit = [name for name in INFO if name != "feature_weights" and options.get(name) is not None]
        if label is not None or unfit:
            raise DataError(f"{', '.join(unfit) or 'label'} must come with the batches")
        ref, max_bin = self.ref, self.max_bin or int(BY_NAME["max_bin"].default)
        self.max_bin = max_bin
        with Team(options.get("nthread")) as team:
            fixed = {name: options[name] for name in OPTIONS if name in options}
            reader = Reader(source, fixed, max_bin, team)
            survey = reader.survey(ref)
            own = survey.categories()  # refuses a column of words in one batch and numbers in another
            categories = own if ref is None else ref.categories
            marked = survey.mark(categories)
            if ref is None:
                cuts = reader.cuts(survey, categories)
            else:
                cuts, marked = bin_table(ref, max_bin, team).cuts, ref.categorical
                survey.check_codes(cuts, marked)
            matrix = reader.encode(survey, cuts, categories, marked)
        values = BinnedValues(matrix, int(survey.present.sum()))
        self._fill(values, survey.names, survey.types, categories)
        once = "feature_weights"
        info: dict[str, Any] = {name: np.concatenate(p) for name, p in survey.info.items() if name != once}
        given = [options.get(once), *survey.info.get(once, [])]
        info[once] = next((w for w in given if w is not None), None)
        self.set_info(**info)
        self._binned = {max_bin: matrix}
