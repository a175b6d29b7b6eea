"""The methods of `boost.Booster` that read its trees: importance, dumps, tables and summaries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boost.model.model import Model


class Inspection:
    """XGBoost's methods that read the trees of a model, and change nothing.

    Attributes
    ----------
    model : Model
    """

    model: Model

    def get_score(self, fmap: Any = "", importance_type: str = "weight") -> dict[str, float]:
        """Return the importance of the features that are used in splits, by name (f0, f1, ... without names).

        Parameters
        ----------
        fmap : path
            As for `get_dump`. One of the names of `importance_type` is taken for that.
        importance_type : {"weight", "gain", "cover", "total_gain", "total_cover"}
            The number of splits; the mean, or the sum, of their gains, or of the hessians of their rows.
        """
        from boost.show.importance import KINDS, importance

        if fmap in KINDS:
            fmap, importance_type = "", fmap
        return importance(self.model, importance_type, fmap)

    def get_fscore(self, fmap: Any = "") -> dict[str, float]:
        """Return the number of splits of each feature, by name."""
        return self.get_score(fmap, "weight")

    def get_dump(self, fmap: Any = "", with_stats: bool = False, dump_format: str = "text") -> list[str]:
        """Return each tree as a string, in XGBoost's formats or in words.

        Parameters
        ----------
        fmap : path
            A feature map of XGBoost: a line for each feature with its number, its name and its type. By
            default, the names and types of the model.
        with_stats : bool
            Whether to add the gain of the splits and the sum of the hessians of each node.
        dump_format : {"text", "json", "dot", "words"}
            "dot" is the language of Graphviz. In "words", splits are conditions with the names of columns and
            categories, such as "sex is female"; XGBoost's formats have the codes of categories.

        Raises
        ------
        ValueError
            For any other format, and for a damaged feature map.
        """
        from boost.show.dump import dump
        from boost.show.names import names_of

        return dump(self.model.forest, names_of(self.model, fmap), with_stats, dump_format)

    def dump_model(
        self, fout: Any, fmap: Any = "", with_stats: bool = False, dump_format: str = "text"
    ) -> None:
        """Write the trees to a path, or to an object with a method ``write``; parameters as for `get_dump`.

        A JSON file holds a list of trees; in the other formats a line such as "booster[0]:" precedes each.
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

        Tree, Node, ID ("tree-node"), Feature ("Leaf" for a leaf), Split (the condition: values below it go to
        Yes), Yes, No and Missing (IDs of the children), Gain (for a leaf: its value, or the list of its
        values), Cover, and Category (the list of the categories that go to Yes).
        """
        import pandas as pd

        from boost.show.dump import tree_columns
        from boost.show.names import names_of

        return pd.DataFrame(tree_columns(self.model.forest, names_of(self.model, fmap)))

    def get_split_value_histogram(
        self, feature: str, fmap: Any = "", bins: int | None = None, as_pandas: bool = True
    ) -> Any:
        """Return the number of split conditions of a feature in equally wide bins.

        Parameters
        ----------
        feature : str
        fmap : path
            As for `get_dump`.
        bins : int, optional
            At most the number of different conditions, which is the default.
        as_pandas : bool
            Whether to return a DataFrame with the columns SplitValue, the upper end of a bin, and Count,
            in place of an array of these two columns. Empty bins are left out.

        Raises
        ------
        ValueError
            For an unknown feature, and for one with categorical splits.
        """
        from boost.show.importance import condition_histogram

        table = condition_histogram(self.model, feature, fmap, bins)
        if not as_pandas:
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=["SplitValue", "Count"])

    def __repr__(self) -> str:
        from boost.show.summary import as_text

        return as_text(self.model, type(self).__name__)

    def _repr_html_(self) -> str:
        from boost.show.summary import as_html

        return as_html(self.model, type(self).__name__)
