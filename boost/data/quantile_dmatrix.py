"""The `QuantileDMatrix`: a table that is binned for one `max_bin`, given whole or in batches."""

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
        generator. A batch is an array, frame or sparse matrix of values, a tuple of values, labels and
        weights, or a dict of arguments of `DMatrix`. The batches are read twice, once to find the cuts and
        once to bin. Memory holds the bins, one or two bytes for a value and as much again for a copy by
        column, and the values of one batch at a time. The model does not depend on how a table is divided
        into batches, byte for byte. Categories are joined across the batches. A batch is read before the
        next one is requested: an iterator may use its memory again. A table from batches trains with
        tree_method="hist" only, and keeps its bins when other weights are set.
    label, **options
        As for `DMatrix`; with batches, each batch has its labels and weights.
    max_bin : int, optional
        Must equal that of the training parameters. By default that of `ref`, or else the default of the
        parameters.
    ref : DMatrix, optional
        For a table that evaluates a model: the training table. The two must have the same columns; values are
        binned by the cuts and the categories of `ref`.

    Raises
    ------
    DataError
        As `DMatrix`; also for batches that do not belong to one table, and for an iterator that returns other
        batches in the second pass.
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
        from boost.data.batches.data_iter import is_batches
        from boost.data.columns import align_columns

        if max_bin is not None and (isinstance(max_bin, bool) or int(max_bin) != max_bin or max_bin < 2):
            raise DataError(f"max_bin must be an integer of at least 2, got {max_bin!r}")
        if ref is not None and max_bin is not None and ref.max_bin not in (None, max_bin):
            raise DataError(f"ref has max_bin={ref.max_bin}, got max_bin={max_bin}: give both the same")
        self.max_bin = int(max_bin) if max_bin is not None else None if ref is None else ref.max_bin
        self.ref = ref
        if is_batches(data):
            self._read_batches(data, label, options)
            return
        super().__init__(data, label, **options)
        if ref is not None:
            names, types = ref.feature_names, ref.feature_types
            fitted = align_columns(self, ref.num_col(), names, types, ref.categories, owner="ref")
            self.__dict__.update(fitted.__dict__)

    def _read_batches(self, source: Any, label: ArrayLike | None, options: dict[str, Any]) -> None:
        """Fill the table from batches."""
        from boost.data.batches.reader import INFO, OPTIONS, BatchReader
        from boost.data.binned_values import BinnedValues
        from boost.data.binning import bin_table
        from boost.threads import Team

        unfit = [name for name in INFO if name != "feature_weights" and options.get(name) is not None]
        if label is not None or unfit:
            raise DataError(
                f"{', '.join(unfit) or 'label'} must be in the batches, not an argument beside them"
            )
        ref, max_bin = self.ref, self.max_bin or int(BY_NAME["max_bin"].default)
        self.max_bin = max_bin
        with Team(options.get("nthread")) as team:
            fixed = {name: options[name] for name in OPTIONS if name in options}
            reader = BatchReader(source, fixed, max_bin, team)
            summary = reader.summarize(ref)
            # Called with `ref` too: raises for a column of strings in one batch and numbers in another.
            joined = summary.categories()
            categories = joined if ref is None else ref.categories
            categorical = summary.mark(categories)
            if ref is None:
                cuts = summary.cuts(categories, max_bin)
            else:
                cuts, categorical = bin_table(ref, max_bin, team).cuts, ref.categorical
                summary.check_codes(cuts, categorical)
            matrix = reader.bin(summary, cuts, categories, categorical)
        values = BinnedValues(matrix, int(summary.present.sum()))
        self._fill(values, summary.names, summary.types, categories)
        info: dict[str, Any] = dict(summary.info)
        weights = [options.get("feature_weights"), *info.pop("feature_weights", [])]
        info = {name: np.concatenate(parts) for name, parts in info.items()}
        info["feature_weights"] = next((w for w in weights if w is not None), None)
        self.set_info(**info)


class ExtMemQuantileDMatrix(QuantileDMatrix):
    """A `QuantileDMatrix` from a `DataIter`, under XGBoost's name for external memory.

    Bins are held in memory: one or two bytes for a value, and as much again for a copy by column.

    Parameters
    ----------
    data : DataIter
    max_bin, ref, **options
        As for `QuantileDMatrix`. ``max_quantile_batches`` and ``cache_host_ratio`` are accepted, without an
        effect.
    """

    def __init__(
        self, data: Any, *, max_bin: int | None = None, ref: DMatrix | None = None, **options: Any
    ) -> None:
        for unused in ("max_quantile_batches", "cache_host_ratio"):
            options.pop(unused, None)
        super().__init__(data, max_bin=max_bin, ref=ref, **options)
