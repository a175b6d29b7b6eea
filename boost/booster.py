"""The model: a base score and a forest, what they predict, and what is known about them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.columns import fit_columns
from boost.data.dmatrix import DMatrix
from boost.data.frames.dictionary import Categories
from boost.data.frames.frame import is_frame
from boost.errors import ParameterError
from boost.forest.traverse import add_trees, leaf_nodes, rows_of
from boost.forest.tree import Forest
from boost.objective import Objective, make_objective
from boost.params import BY_NAME, resolve
from boost.show.reading import Readable

if TYPE_CHECKING:
    from boost.model.uncertainty import Uncertainty
    from boost.training.trainer import Trainer

Floats = NDArray[np.float64]


class Attributes(dict[str, str]):
    """Strings that are saved with a model; a call returns a plain copy, as XGBoost's method does."""

    def __call__(self) -> dict[str, str]:
        return dict(self)


class Booster(Readable):
    """A trained model: a base score and a forest.

    Parameters
    ----------
    params : dict, optional
        As for `train`.
    cache : sequence of DMatrix
        For XGBoost's sake: the margins of the table of the last `update` are kept anyway.
    model_file : path or bytes, optional
        A model to load, see `load_model`.

    Attributes
    ----------
    params : dict
        Every parameter with its value.
    base_score : float64 array of shape (outputs,)
        The prediction before the first tree; for multi:softprob, the margins.
    forest : Forest
    feature_names, feature_types : list of str, or None
    categories : dict of int to list
        Dictionaries of the categorical columns, see `DMatrix`.
    attributes : dict of str to str
        Anything else that is saved with the model.
    best_iteration, best_score : int and float, or None
        Set by early stopping.
    history : dict
        The metrics of each round of the last `train`, ``{name: {metric: [values]}}``. Not saved.
    """

    def __init__(
        self, params: dict[str, Any] | None = None, cache: Sequence[DMatrix] = (), model_file: Any = None
    ) -> None:
        self.params = resolve(params)
        self.objective: Objective = make_objective(self.params)
        self.base_score = np.zeros(self.objective.n_outputs)
        self.forest = Forest(self.objective.n_outputs)
        self.features = 0
        self.feature_names: list[str] | None = None
        self.feature_types: list[str] | None = None
        self.categories: Categories = {}
        self._attributes = Attributes()
        self.best_iteration: int | None = None
        self.best_score: float | None = None
        self.history: dict[str, dict[str, list[float]]] = {}
        self._trainer: Trainer | None = None
        for table in cache:
            if not isinstance(table, DMatrix):
                raise ValueError(f"cache must hold DMatrix, got {type(table).__name__}")
        if model_file is not None:
            self.load_model(model_file)

    @property
    def base_score(self) -> Floats:
        """The prediction before the first tree."""
        return self._base_score

    @base_score.setter
    def base_score(self, score: Floats) -> None:
        self._base_score = score
        self._start: Floats | None = None

    @property
    def attributes(self) -> Attributes:
        """Strings that are saved with the model; a call returns a plain copy."""
        return self._attributes

    @attributes.setter
    def attributes(self, attributes: dict[str, str]) -> None:
        self._attributes = Attributes(attributes)

    def num_features(self) -> int:
        """Number of features."""
        return self.features

    def num_boosted_rounds(self) -> int:
        """Number of boosting rounds in the model."""
        return self.forest.rounds

    # Files, attributes and parameters

    def save_model(self, path: Any) -> None:
        """Write the model in XGBoost's JSON (".json") or UBJSON (".ubj"), as the name of the file says.

        The file appears whole or not at all. Raises ValueError for a name that ends in anything else.
        """
        from boost.model.model_io import write_model

        write_model(self, path)

    def save_raw(self, raw_format: str = "ubj") -> bytearray:
        """Return the bytes of a model file; `raw_format` is "json" or "ubj"."""
        from boost.model.model_io import save_raw

        return save_raw(self, raw_format)

    def load_model(self, source: Any) -> None:
        """Read a model: XGBoost's JSON or UBJSON, ours or XGBoost's own, or LightGBM's text.

        Parameters
        ----------
        source : path, or bytes as from `save_raw`
            The bytes say which format they are in, not the name.

        Raises
        ------
        ModelError
            A `ValueError`, for anything that is not a complete and consistent model that this package can
            hold.

        Notes
        -----
        A model of LightGBM predicts what LightGBM predicts for float32 values. Its objective becomes the one
        of ours with the same way from margins to predictions.
        """
        from boost.model.model_io import read_model

        read_model(self, source)
        self._trainer = None

    def attr(self, key: str) -> str | None:
        """Return an attribute, or None when the model does not have it."""
        return self.attributes.get(key)

    def set_attr(self, **attributes: Any) -> None:
        """Set attributes, which are saved with the model, as strings; None removes one."""
        for key, value in attributes.items():
            if value is None:
                self.attributes.pop(key, None)
            else:
                self.attributes[key] = str(value)

    def set_param(
        self, params: Mapping[str, Any] | Sequence[tuple[str, Any]] | str, value: Any = None
    ) -> None:
        """Change parameters for the rounds to come.

        Parameters
        ----------
        params : dict, list of pairs, or name
        value : optional
            With a name.

        Raises
        ------
        ParameterError
            As `train`; also for a change of the objective or of the number of trees in a round, once there
            are trees.
        """
        given = {params: value} if isinstance(params, str) else dict(params)
        if len(given) == 1 and BY_NAME.get(name := next(iter(given)), None) is BY_NAME["eta"]:
            # The objective and its buffers stay: they do not depend on the rate.
            self.params = self.params.replace(eta=given[name])
            return
        changed = {BY_NAME[name].name if name in BY_NAME else name: v for name, v in given.items()}
        merged = resolve({**self.params, **changed})
        if self.forest.trees:
            for name in ("objective", "num_class", "num_parallel_tree", "multi_strategy"):
                if merged[name] != self.params[name]:
                    raise ParameterError(
                        f"{name} cannot change from {self.params[name]!r} to {merged[name]!r}: the model has "
                        "trees"
                    )
        outputs = self.objective.n_outputs
        self.params, self.objective = merged, make_objective(merged)
        if self.objective.output_per_label:
            self.objective.set_outputs(outputs)

    # Rounds

    def __getitem__(self, rounds: int | slice) -> Booster:
        """Return a model of some rounds, such as ``model[2:8:2]``; the trees themselves are shared.

        Raises
        ------
        IndexError
            For a round that is not there.
        ValueError
            For a step below 1.
        """
        count = self.forest.rounds
        if isinstance(rounds, slice):
            if rounds.step is not None and rounds.step < 1:
                raise ValueError(f"the step of a slice of rounds must be at least 1, got {rounds.step}")
            begin, end, step = rounds.indices(count)
        else:
            if not -count <= rounds < count:
                raise IndexError(f"round {rounds} of a model of {count} rounds")
            begin = rounds % count
            end, step = begin + 1, 1
        other = copy.copy(self)
        other.forest = self.forest.slice(begin, max(begin, end), step)
        other._attributes = Attributes(self._attributes)
        other.best_iteration = other.best_score = None
        other.history = {}
        return other

    def __iter__(self) -> Iterator[Booster]:
        for i in range(self.forest.rounds):
            yield self[i]

    def copy(self) -> Booster:
        """Return a model of its own."""
        other = self[:]
        other.best_iteration, other.best_score = self.best_iteration, self.best_score
        return other

    def __copy__(self) -> Booster:
        other = object.__new__(type(self))
        other.__dict__.update(self.__getstate__())
        return other

    def __getstate__(self) -> dict[str, Any]:
        # The state of a training holds tables and threads: it is no part of the model.
        return {**self.__dict__, "_trainer": None}

    def tree_weights(self) -> Floats:
        """Return the factors of the trees, which dropout changes; float64, shape (trees,)."""
        return self.forest.weights

    def keep_rounds(self, rounds: int, weights: Floats) -> None:
        """Forget all rounds but the first ones, whose trees get the weights that they had then."""
        self.forest.truncate(self.forest.trees_of_rounds(0, rounds)[1])
        self.forest.weights = weights

    # Training

    def update(
        self,
        dtrain: DMatrix,
        iteration: int,
        fobj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    ) -> None:
        """Add one round.

        Parameters
        ----------
        dtrain : DMatrix
            Margins and buffers are kept while it is the same table.
        iteration : int
            Number of the round; with the seed, it fixes everything that is drawn.
        fobj : callable, optional
            Returns gradients and hessians from margins and the table; see `train`.
        """
        self._trainer_on(dtrain, fobj is not None).update(iteration, fobj)

    def boost(self, dtrain: DMatrix, iteration: int, grad: ArrayLike, hess: ArrayLike) -> None:
        """Add one round from given gradients and hessians of shape (rows,) or (rows, outputs).

        They are taken as they are: multiply them by the weights of the rows, if there are any.
        """
        self.update(dtrain, iteration, lambda margin, data: (grad, hess))

    def _trainer_on(self, data: DMatrix, custom: bool) -> Trainer:
        from boost.training.trainer import Trainer, start

        if not isinstance(data, DMatrix):
            raise ValueError(f"dtrain must be a DMatrix, got {type(data).__name__}: wrap it in boost.DMatrix")
        if self.features == 0:  # a new model
            start(self, data, custom)
        if self._trainer is None or not self._trainer.fits(data):
            self._trainer = Trainer(self, data)
        return self._trainer

    def eval(self, data: DMatrix, name: str = "eval", iteration: int = 0) -> str:
        """Return the metrics of a table as one line of text."""
        return self.eval_set([(data, name)], iteration)

    def eval_set(
        self,
        evals: Sequence[tuple[DMatrix, str]],
        iteration: int = 0,
        feval: Callable[[Any, DMatrix], tuple[str, float]] | None = None,
        output_margin: bool = True,
    ) -> str:
        """Return the metrics of tables as one line of text.

        Parameters
        ----------
        evals : sequence of (DMatrix, name)
        iteration : int
            For the text only.
        feval : callable, optional
            A metric besides those of the parameters; see ``custom_metric`` of `train`.
        output_margin : bool
            Whether it is given margins, in place of predictions.
        """
        from boost.training.trainer import evaluate, make_metrics

        metrics = make_metrics(self, feval)
        parts = [f"[{iteration}]"]
        for table, name in evals:
            for metric in metrics:
                metric.check(table, self.objective.n_outputs)
            margin = self.margins(self.fit_table(table))
            values = evaluate(self.objective, metrics, margin, table, output_margin)
            parts += [f"{name}-{metric}:{value!r}" for metric, value in values]
        return "\t".join(parts)

    # Predictions

    def predict(
        self,
        data: Any,
        *,
        output_margin: bool = False,
        pred_leaf: bool = False,
        pred_contribs: bool = False,
        approx_contribs: bool = False,
        pred_interactions: bool = False,
        validate_features: bool = True,
        training: bool = False,
        iteration_range: tuple[int, int] | None = (0, 0),
        strict_shape: bool = False,
    ) -> NDArray:
        """Predict.

        Parameters
        ----------
        data : DMatrix, array, frame or sparse matrix of shape (rows, features)
        output_margin : bool
            Return margins, in place of values or probabilities.
        pred_leaf : bool
            Return the number of the leaf of each row in each tree.
        pred_contribs : bool
            Return what each feature adds to the margin, exact Shapley values, and the expected margin in the
            last column; they sum up to the margin.
        approx_contribs : bool
            With `pred_contribs`: add up what the splits on the path of a row change (Saabas), which is
            quicker.
        pred_interactions : bool
            Return what each pair of features adds; rows, and columns, sum up to the contributions.
        validate_features : bool
            Whether the names of the columns must be those of the training table.
        training : bool
            With booster="dart": leave out trees by chance, as a round of training does.
        iteration_range : (int, int)
            Use only the rounds from the first up to, and without, the second; zero as the second means all.
            A model that kept rounds after its best one predicts with all of them, unless this says otherwise.
        strict_shape : bool
            Keep the axis of the outputs, also for one; with `pred_leaf`, (rows, rounds, outputs, trees of an
            output in a round).

        Returns
        -------
        float64 array of shape (rows,), or (rows, outputs) for several outputs
            With `pred_leaf`, int32 of shape (rows, trees). With `pred_contribs`, (rows, features + 1) or
            (rows, outputs, features + 1); with `pred_interactions`, the last axis twice.

        Raises
        ------
        ValueError
            For tables that do not fit the model: other columns, or values that `DMatrix` refuses; and for two
            kinds of prediction at once.
        """
        if pred_leaf or pred_contribs or pred_interactions or approx_contribs:
            asked = [output_margin, pred_leaf, pred_contribs, pred_interactions]
            if sum(map(bool, asked)) != 1 or (approx_contribs and not pred_contribs) or training:
                raise ValueError(
                    "give one of output_margin, pred_leaf, pred_contribs and pred_interactions, without "
                    "training; approx_contribs goes with pred_contribs only"
                )
            table = self._table(data, validate_features)
            if pred_leaf:
                return self._leaves(table, iteration_range, strict_shape)
            from boost.model.explain import contributions

            trees = self._trees(iteration_range)
            added = contributions(self, table, trees, approximate=approx_contribs, pairs=pred_interactions)
            return added if strict_shape or added.shape[1] > 1 else added[:, 0]
        if not training and self._is_plain(data):
            margin = self._plain_margins(data, iteration_range)
        else:
            table = self._table(data, validate_features)
            model = self._with_drops() if training and self.params["booster"] == "dart" else self
            margin = model.margins(table, iteration_range)
        return self._shaped(margin if output_margin else self.objective.output(margin), strict_shape)

    def predict_uncertainty(self, data: Any, **options: Any) -> Uncertainty:
        """Predict, and say how sure that is; options: see `boost.model.uncertainty.predict_uncertainty`."""
        from boost.model.uncertainty import predict_uncertainty

        return predict_uncertainty(self, self._table(data), **options)

    def predict_interval(self, data: Any) -> NDArray:
        """Predict lower and upper ends; the model must be calibrated, see `calibrate`."""
        from boost.model.interval import predict_interval

        return predict_interval(self, self._table(data))

    def inplace_predict(
        self,
        data: Any,
        *,
        iteration_range: tuple[int, int] | None = (0, 0),
        predict_type: str = "value",
        missing: float = np.nan,
        validate_features: bool = True,
        base_margin: Any = None,
        strict_shape: bool = False,
    ) -> NDArray:
        """Predict without a `DMatrix`; see `predict`. A row-major float32 array is the quickest.

        Parameters
        ----------
        data : array, frame or sparse matrix of shape (rows, features)
        iteration_range, validate_features, strict_shape
            As for `predict`.
        predict_type : {"value", "margin"}
        missing : float
            A number that means "missing" besides NaN.
        base_margin : array of shape (rows,) or (rows, outputs), optional

        Raises
        ------
        ValueError
            As `predict`.
        """
        if predict_type not in ("value", "margin"):
            raise ValueError(f"predict_type must be 'value' or 'margin', got {predict_type!r}")
        if base_margin is None and missing != missing and self._is_plain(data):
            margin = self._plain_margins(data, iteration_range)
        else:
            made = self.make_table(data, missing)
            if base_margin is not None:
                made.set_base_margin(base_margin)
            margin = self.margins(self.fit_table(made, validate_features), iteration_range)
        return self._shaped(
            margin if predict_type == "margin" else self.objective.transform(margin), strict_shape
        )

    def _is_plain(self, data: Any) -> bool:
        """Whether the kernels can read an array as it is; most of the time of one row is spent on asking."""
        return (
            type(data) is np.ndarray
            and data.dtype == np.float32
            and data.ndim == 2
            and data.flags.carray
            and data.shape[1] == self.features
            and len(data) > 0
        )

    def _plain_margins(self, x: NDArray[np.float32], iteration_range: tuple[int, int] | None) -> Floats:
        margin = np.empty((len(x), self.objective.n_outputs))
        margin[:] = self._start_margin()
        first, last = self._trees(iteration_range)
        if add_trees(
            self.forest, lambda begin, end: x[begin:end], margin, first, last, self.params["nthread"]
        ):
            DMatrix(x)  # raises, and says where
        return margin

    def _shaped(self, out: NDArray, strict: bool) -> NDArray:
        return out if strict or out.shape[1] > 1 else out[:, 0]

    def _trees(self, iteration_range: tuple[int, int] | None) -> tuple[int, int]:
        forest = self.forest
        if iteration_range is None or iteration_range == (0, 0):
            return 0, forest.trees
        first, last = iteration_range
        last = last or forest.rounds
        if not 0 <= first <= last <= forest.rounds:
            raise ValueError(f"iteration_range must lie within (0, {forest.rounds}), got {iteration_range}")
        return forest.trees_of_rounds(first, last)

    def margins(self, data: DMatrix, iteration_range: tuple[int, int] | None = (0, 0)) -> Floats:
        """Return the margins of a table that fits the model; float64, shape (rows, groups)."""
        margin = self.start_margins(data)
        first, last = self._trees(iteration_range)
        add_trees(self.forest, rows_of(data), margin, first, last, self.params["nthread"])
        return margin

    def start_margins(self, data: DMatrix) -> Floats:
        """Return the margins before the first tree; float64, shape (rows, groups)."""
        shape = (data.num_row(), self.objective.n_outputs)
        if data.base_margin is None:
            return np.tile(self._start_margin(), (shape[0], 1))
        if data.base_margin.shape != shape:
            raise ValueError(f"base_margin must have the shape {shape}, got {data.base_margin.shape}")
        return data.base_margin.copy()

    def _start_margin(self) -> Floats:
        if self._start is None:
            self._start = self.objective.to_margin(self._base_score)
        return self._start

    def _leaves(
        self, table: DMatrix, iteration_range: tuple[int, int] | None, strict: bool
    ) -> NDArray[np.int32]:
        first, last = self._trees(iteration_range)
        threads = self.params["nthread"]
        leaves = leaf_nodes(self.forest, table.dense_rows, table.num_row(), first, last, threads)
        if not strict:
            return leaves
        forest = self.forest
        return leaves.reshape(len(leaves), -1, forest.round_trees // forest.parallel, forest.parallel)

    def staged_margins(self, data: Any, validate_features: bool = True) -> Iterator[Floats]:
        """Yield the margins after each round; float64, shape (rows, outputs).

        Each round's trees are walked through once. The same array is yielded, and changed, every time: copy
        what is to be kept.
        """
        table = self._table(data, validate_features)
        margin, rows = self.start_margins(table), rows_of(table)
        for i in range(self.forest.rounds):
            first, last = self.forest.trees_of_rounds(i, i + 1)
            add_trees(self.forest, rows, margin, first, last, self.params["nthread"])
            yield margin

    def staged_predict(
        self,
        data: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        strict_shape: bool = False,
    ) -> Iterator[NDArray]:
        """Yield the predictions after each round, see `predict`: the last ones are those of the model."""
        for margin in self.staged_margins(data, validate_features):
            out = margin.copy() if output_margin else self.objective.output(margin.copy())
            yield self._shaped(out, strict_shape)

    def _with_drops(self) -> Booster:
        """Return the model without the trees that its next round of training would leave out."""
        from boost.training.dart import drop_trees

        rng = np.random.default_rng((self.params["seed"] or 0, self.forest.rounds))
        weights = self.forest.weights
        weights[drop_trees(weights, self.params, rng)] = 0.0
        other = self.copy()
        other.forest.weights = weights
        return other

    # Features and tables

    def fit_table(self, data: DMatrix, validate_features: bool = True) -> DMatrix:
        """Return the table in the model's columns and codes, see `fit_columns`, which raises ValueError."""
        fitted = fit_columns(
            data,
            self.features,
            self.feature_names,
            self.feature_types,
            self.categories,
            by_name=validate_features,
        )
        fitted.check_forest(self.forest)
        return fitted

    def _table(self, data: Any, validate_features: bool = True) -> DMatrix:
        return self.fit_table(data if isinstance(data, DMatrix) else self.make_table(data), validate_features)

    def make_table(self, data: Any, missing: float | None = None) -> DMatrix:
        """Return a table of an array, frame or sparse matrix; see `DMatrix`, and `fit_table`."""
        made = DMatrix(data, missing=missing)
        if self.categories and not is_frame(data):
            # An array of codes: the caller has applied the dictionary.
            made.categories = dict(self.categories)
        return made
