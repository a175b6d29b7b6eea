"""What a model lets one read: importance, trees as text and as a table, and how it shows itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import nearest

if TYPE_CHECKING:
    from boost.forest.tree import Forest
    from boost.params import Params
    from boost.show.dump import Names


class Readable:
    """The part of `Booster` that reads its trees, and changes nothing."""

    forest: Forest
    features: int
    feature_names: list[str] | None
    feature_types: list[str] | None
    categories: dict[int, list[Any]]
    params: Params
    best_iteration: int | None

    def get_score(self, importance_type: str = "weight", fmap: Any = "") -> dict[str, float]:
        """Return the importance of the features that are used in splits, by name (f0, f1, ... without names).

        Parameters
        ----------
        importance_type : {"weight", "gain", "cover", "total_gain", "total_cover"}
            The number of splits; the mean, or the sum, of what they gain, or of the hessians of their rows.
        fmap : path
            See `get_dump`.
        """
        score = self.forest.importance(importance_type, self.features)
        used = np.flatnonzero(self.forest.importance("weight", self.features))
        names = self._names(fmap).names
        return {names[f]: float(score[f]) for f in used}

    def get_fscore(self, fmap: Any = "") -> dict[str, float]:
        """Return the number of splits of each feature."""
        return self.get_score("weight", fmap)

    def get_dump(self, fmap: Any = "", with_stats: bool = False, dump_format: str = "text") -> list[str]:
        """Return each tree as a string, as XGBoost prints it.

        Parameters
        ----------
        fmap : path
            A feature map of XGBoost's: a line for each feature with its number, its name and its type. The
            model's own names and types without.
        with_stats : bool
            Whether to say the gain of the splits, and the sum of the hessians of each node.
        dump_format : {"text", "json", "dot"}
            The last is the language of Graphviz.

        Raises
        ------
        ValueError
            For any other format, and for a feature map of another form.
        """
        from boost.show.dump import dump

        return dump(self.forest, self._names(fmap), with_stats, dump_format)

    def dump_model(
        self, fout: Any, fmap: Any = "", with_stats: bool = False, dump_format: str = "text"
    ) -> None:
        """Write `get_dump` to a file, or to anything that has a method ``write``.

        A file of JSON is a list of trees; in the other formats a line such as "booster[0]:" stands before
        each.
        """
        from boost.atomic import write_text

        trees = self.get_dump(fmap, with_stats, dump_format)
        if dump_format == "json":
            text = "[\n" + ",\n".join(trees) + "\n]"
        else:
            text = "".join(f"booster[{t}]:\n{tree}" for t, tree in enumerate(trees))
        if isinstance(fout, (str, os.PathLike)):
            write_text(os.path.expanduser(fout), text)
        else:
            fout.write(text)

    def trees_to_dataframe(self, fmap: Any = "") -> Any:
        """Return a pandas DataFrame with a row for each node, in XGBoost's columns.

        Tree, Node, ID ("tree-node"), Feature ("Leaf" for a leaf), Split (the condition: values below go the
        way of Yes), Yes, No and Missing (IDs of the children), Gain (for a leaf: its value, or the list of
        its values), Cover, and Category (the list of the categories that go the way of Yes).
        """
        import pandas as pd

        from boost.show.dump import tree_columns

        return pd.DataFrame(tree_columns(self.forest, self._names(fmap), self.categories))

    def get_split_value_histogram(
        self, feature: str, fmap: Any = "", bins: int | None = None, as_pandas: bool = True
    ) -> Any:
        """Return how often the splits of a feature fall into each of some equally wide bins.

        Parameters
        ----------
        feature : str
        fmap : path
            See `get_dump`.
        bins : int, optional
            At most as many as there are different conditions, which is also the default.
        as_pandas : bool
            Return a DataFrame with the columns SplitValue, the upper end of a bin, and Count; an array of
            these two columns if not. Empty bins are left out.

        Raises
        ------
        ValueError
            For a feature that there is not, or whose categories are asked for.
        """
        from boost.show.dump import split_values

        names = self._names(fmap).names
        if feature not in names:
            raise ValueError(f"the model has no feature {feature!r}{nearest(str(feature), names)}")
        if bins is not None and (isinstance(bins, bool) or int(bins) != bins or bins < 1):
            raise ValueError(f"bins must be an integer of at least 1, got {bins!r}")
        values = split_values(self.forest, names.index(feature))
        different = max(1, np.unique(values).size)
        count, edges = np.histogram(values, bins=different if bins is None else min(int(bins), different))
        table = np.column_stack((edges[1:], count))[count > 0]
        if not as_pandas:
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=["SplitValue", "Count"])

    def _names(self, fmap: Any = "") -> Names:
        from boost.show.dump import Names

        if fmap is None or fmap == "":
            return Names(self.feature_names, self.feature_types, self.features)
        return Names.of_file(fmap, self.features)

    def __repr__(self) -> str:
        from boost.show.portrait import facts

        told = (f"{name.replace(' ', '_')}={value!r}" for name, value in facts(self).items())
        return f"{type(self).__name__}({', '.join(told)})"

    def _repr_html_(self) -> str:
        from boost.show.portrait import html

        return html(self)
