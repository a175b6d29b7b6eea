"""Cut points to codes: the `BinnedMatrix` that tree growing reads in place of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sketch import Cuts, WeightedQuantileSketch, column_cuts

if TYPE_CHECKING:
    from boost.data import DMatrix
    from boost.threads import Team

BLOCK_ROWS = 1 << 14
# A sketch with this many times the resolution of the bins: the error of a bin's weight is below half of it,
# and far below as long as there are few blocks to prune.
OVERSAMPLING = 2


@dataclass(frozen=True, slots=True, eq=False)
class BinnedMatrix:
    """Row-major bin codes of a table.

    Attributes
    ----------
    codes : uint8 or uint16 array of shape (rows, features)
        The bin of a value within its own feature. The code after the last bin means "missing". Histograms
        read this.
    columns : uint8 or uint16 array of shape (features, rows)
        The same codes column by column, for moving rows by one feature.
    cuts : Cuts
    offsets : int64 array of shape (features + 1,)
        Where a feature's bins start in a histogram; each feature has ``cuts.bins[f] + 1`` places, the last
        for missing.
    """

    codes: NDArray
    columns: NDArray
    cuts: Cuts
    offsets: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])

    @property
    def features(self) -> int:
        """Number of features."""
        return int(self.codes.shape[1])


def make_cuts(data: DMatrix, max_bin: int, team: Team) -> Cuts:
    """Sketch each column of a table, and choose its cuts. Rows count by their weights.

    Parameters
    ----------
    data : DMatrix
    max_bin : int
        Most bins of a feature, without the bin of missing values.
    team : Team
        Columns are shared out among its threads; the cuts do not depend on how.
    """
    weight = None if data.weight is None else data.weight.astype(np.float64)
    found: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * data.num_col()

    def sketch_columns(first: int, last: int) -> None:
        for f in range(first, last):
            rows, values = data.column(f)
            sketch = WeightedQuantileSketch(1 / (OVERSAMPLING * max_bin))
            sketch.add(values, None if weight is None else weight[rows])
            found[f] = column_cuts(sketch.summary(), max_bin)

    team.share(sketch_columns, data.num_col(), work=data.num_row() * data.num_col() * 20)
    return Cuts.from_columns(found)


def bin_matrix(data: DMatrix, cuts: Cuts, team: Team) -> BinnedMatrix:
    """Replace every value by the number of its bin. O(rows * features * log bins)."""
    from boost.histogram import encode

    bins = cuts.bins
    offsets = np.zeros(cuts.columns + 1, dtype=np.int64)
    np.cumsum(bins + 1, out=offsets[1:])
    wide = bool(bins.size) and int(bins.max()) > 255
    codes = np.empty((data.num_row(), cuts.columns), dtype=np.uint16 if wide else np.uint8)
    columns = np.empty(codes.shape[::-1], dtype=codes.dtype)

    def encode_rows(first: int, last: int) -> None:
        for begin in range(first, last, BLOCK_ROWS):
            end = min(begin + BLOCK_ROWS, last)
            encode(data.dense_rows(begin, end), cuts.values, cuts.indptr, codes[begin:end])
            columns[:, begin:end] = codes[begin:end].T

    team.share(encode_rows, data.num_row(), work=codes.size * 8)
    return BinnedMatrix(codes, columns, cuts, offsets)
