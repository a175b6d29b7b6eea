"""`Booster`: a model with XGBoost's methods, and the state of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.dmatrix import DMatrix
from boost.data.frames.dictionary import Categories
from boost.forest.forest import Forest
from boost.model.model import Attributes, Model
from boost.objective import Objective
from boost.params import Params, resolve
from boost.show.inspection import Inspection

if TYPE_CHECKING:
    from boost.model.uncertainty import Uncertainty
    from boost.training.trainer import Trainer

Floats = NDArray[np.float64]
Value = TypeVar("Value")


class _OfModel(Generic[Value]):
    """An attribute of a booster that is an attribute of its model."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, booster: None, owner: type) -> _OfModel[Value]: ...
    @overload
    def __get__(self, booster: Booster, owner: type) -> Value: ...
    def __get__(self, booster: Booster | None, owner: type) -> Any:
        return self if booster is None else getattr(booster.model, self._name)

    def __set__(self, booster: Booster, value: Value) -> None:
        setattr(booster.model, self._name, value)


class Booster(Inspection):
    """A model that can be trained, with the methods of XGBoost's `Booster`.

    Parameters
    ----------
    params : dict, optional
        As for `train`.
    cache : sequence of DMatrix
        Accepted for compatibility with XGBoost; has no effect: the margins of the last training table are
        always kept.
    model_file : path or bytes, optional
        A model to load, see `load_model`.

    Attributes
    ----------
    model : Model
        The trained model; the attributes below, up to `best_score`, are its attributes.
    params : Params
        Every parameter with its value; a read-only mapping. `set_param` replaces it.
    objective : Objective
    base_score : float64 array of shape (n_outputs,)
        The prediction before the first tree; for multi:softprob, the margins.
    forest : Forest
    feature_names, feature_types : list of str, or None
    categories : dict of int to list
        Dictionaries of the categorical columns, see `DMatrix`.
    attributes : dict of str to str
        Strings that are saved with the model.
    best_iteration, best_score : int and float, or None
        Set by early stopping.
    history : dict
        The metrics of each round of the last `train`, ``{name: {metric: [values]}}``. Not saved.
    """

    params = _OfModel[Params]()
    objective = _OfModel[Objective]()
    base_score = _OfModel[Floats]()
    forest = _OfModel[Forest]()
    feature_names = _OfModel["list[str] | None"]()
    feature_types = _OfModel["list[str] | None"]()
    categories = _OfModel[Categories]()
    best_iteration = _OfModel["int | None"]()
    best_score = _OfModel["float | None"]()

    def __init__(
        self, params: Mapping[str, Any] | None = None, cache: Sequence[DMatrix] = (), model_file: Any = None
    ) -> None:
        self._wrap(Model(resolve(params)))
        for table in cache:
            if not isinstance(table, DMatrix):
                raise ValueError(f"cache must hold DMatrix, got {type(table).__name__}")
        if model_file is not None:
            self.load_model(model_file)

    def _wrap(self, model: Model) -> None:
        self.model = model
        self.history: dict[str, dict[str, list[float]]] = {}
        self._trainer: Trainer | None = None

    @property
    def attributes(self) -> Attributes:
        """Strings that are saved with the model; a call returns a plain copy."""
        return self.model.attributes

    @attributes.setter
    def attributes(self, attributes: Mapping[str, str]) -> None:
        self.model.attributes = Attributes(attributes)

    def num_features(self) -> int:
        """Return the number of features; 0 before training."""
        return self.model.n_features

    def num_boosted_rounds(self) -> int:
        """Return the number of boosting rounds in the model."""
        return self.forest.rounds

    # Files, attributes and parameters

    def save_model(self, path: Any) -> None:
        """Write a model file: XGBoost's JSON (".json") or UBJSON (".ubj"), by the ending of the name.

        The write is atomic. Raises ValueError for another ending.
        """
        from boost.model.model_io import write_model

        write_model(self.model, path)

    def save_raw(self, raw_format: str = "ubj") -> bytearray:
        """Return the bytes of a model file; `raw_format` is "json" or "ubj"."""
        from boost.model.model_io import save_raw

        return save_raw(self.model, raw_format)

    def load_model(self, source: Any) -> None:
        """Read a model from XGBoost's JSON or UBJSON, of either library, or from LightGBM's text.

        Parameters
        ----------
        source : path, or bytes as from `save_raw`
            The format is detected from the bytes, not from the name.

        Raises
        ------
        ModelError
            A `ValueError`, for anything that is not a complete and consistent model of a supported kind. The
            booster is then unchanged.

        Notes
        -----
        A model of LightGBM predicts what LightGBM predicts for float32 values. Its objective becomes the one
        here with the same function from margins to predictions.
        """
        from boost.model.model_io import read_model

        self.model, self._trainer = read_model(source, self.params), None

    def attr(self, key: str) -> str | None:
        """Return an attribute, or None when the model does not have it."""
        return self.attributes.get(key)

    def set_attr(self, **attributes: Any) -> None:
        """Set attributes, which are saved with the model as strings; None removes one."""
        for key, value in attributes.items():
            if value is None:
                self.attributes.pop(key, None)
            else:
                self.attributes[key] = str(value)

    def set_param(
        self, params: Mapping[str, Any] | Sequence[tuple[str, Any]] | str, value: Any = None
    ) -> None:
        """Change parameters for the following rounds.

        Parameters
        ----------
        params : dict, list of pairs, or name
        value : optional
            Together with a name.

        Raises
        ------
        ParameterError
            As `train`; also for a change of the objective or of the trees of a round when there are trees.
        """
        given = {params: value} if isinstance(params, str) else dict(params)
        self.model.change_params(self.params.replace(**given))

    # Parts and copies

    def __getitem__(self, rounds: int | slice) -> Booster:
        """Return a model of some rounds, such as ``booster[2:8:2]``; the trees are shared.

        Raises
        ------
        IndexError
            For a round that the model does not have.
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
        return self._with_model(self.model.slice(begin, max(begin, end), step))

    def __iter__(self) -> Iterator[Booster]:
        for i in range(self.forest.rounds):
            yield self[i]

    def copy(self) -> Booster:
        """Return an independent booster; the trees are shared, and `history` is not copied."""
        return self._with_model(self.model.copy())

    def _with_model(self, model: Model) -> Booster:
        other = object.__new__(type(self))
        other._wrap(model)
        return other

    def __copy__(self) -> Booster:
        other = self.copy()
        other.history = self.history
        return other

    def __getstate__(self) -> dict[str, Any]:
        # Without the state of the training, which holds tables and threads.
        return {**self.__dict__, "_trainer": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model" not in state:  # a pickle of version 0.1
            from boost.model.former import model_of

            state = {"model": model_of(state), "history": state["history"], "_trainer": None}
        self.__dict__.update(state)

    def tree_weights(self) -> Floats:
        """Return the factors of the trees, which dropout changes; float64, shape (trees,)."""
        return self.forest.weights

    def keep_rounds(self, rounds: int, weights: Floats) -> None:
        """Remove all rounds but the first `rounds`; `weights` as from `tree_weights` after these rounds."""
        self.forest.truncate(self.forest.trees_of_rounds(0, rounds)[1])
        self.forest.weights = weights

    # Training

    def update(
        self,
        dtrain: DMatrix,
        iteration: int,
        fobj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    ) -> None:
        """Train one more round.

        Parameters
        ----------
        dtrain : DMatrix
            Margins and buffers are kept as long as it is the same table. What was set in it since the last
            round holds from this round on.
        iteration : int
            Number of the round; together with the seed it determines all random draws.
        fobj : callable, optional
            Returns gradients and hessians from margins and the table; see `train`.
        """
        from boost.training.start import start
        from boost.training.trainer import Trainer

        if not isinstance(dtrain, DMatrix):
            raise ValueError(
                f"dtrain must be a DMatrix, got {type(dtrain).__name__}: wrap it in boost.DMatrix"
            )
        if self.model.n_features == 0:  # a new model
            start(self.model, dtrain, custom=fobj is not None)
        if self._trainer is None or not self._trainer.can_continue(self.model, dtrain):
            self._trainer = Trainer(self.model, dtrain)
        self._trainer.update(iteration, fobj)

    def boost(self, dtrain: DMatrix, iteration: int, grad: ArrayLike, hess: ArrayLike) -> None:
        """Train one more round on given gradients and hessians of shape (rows,) or (rows, outputs).

        The weights of the table are not applied to them.
        """
        self.update(dtrain, iteration, lambda margin, data: (grad, hess))

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
            A metric in addition to those of the parameters; see ``custom_metric`` of `train`.
        output_margin : bool
            Whether `feval` takes margins in place of predictions.
        """
        from boost.training.evaluation import evaluation_text

        return f"[{iteration}]" + evaluation_text(self.model, evals, feval, output_margin)

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
        """Return predictions, margins, leaves or feature contributions.

        Parameters
        ----------
        data : DMatrix, array, frame or sparse matrix of shape (rows, features)
        output_margin : bool
            Return margins in place of values or probabilities.
        pred_leaf : bool
            Return the number of the leaf of each row in each tree.
        pred_contribs : bool
            Return the contribution of each feature to the margin (exact Shapley values), and the expected
            margin in the last column; they sum up to the margin.
        approx_contribs : bool
            With `pred_contribs`: use the faster approximation by the splits on the path of a row (Saabas).
        pred_interactions : bool
            Return the contribution of each pair of features; rows, and columns, sum up to the contributions.
        validate_features : bool
            Whether the names of the columns must be those of the training table.
        training : bool
            With booster="dart": drop trees at random, as a training round does.
        iteration_range : (int, int)
            Use only the rounds from the first to the second, exclusive; zero as the second means all. A model
            that kept rounds after its best one predicts with all of them by default.
        strict_shape : bool
            Keep the axis of the outputs for one output, too; with `pred_leaf`, return the shape (rows,
            rounds, outputs, trees of an output in a round).

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
        model = self.model
        if pred_leaf or pred_contribs or pred_interactions or approx_contribs:
            kinds = [output_margin, pred_leaf, pred_contribs, pred_interactions]
            if sum(map(bool, kinds)) != 1 or (approx_contribs and not pred_contribs) or training:
                raise ValueError(
                    "give one of output_margin, pred_leaf, pred_contribs and pred_interactions, without "
                    "training; approx_contribs goes with pred_contribs only"
                )
            table = model.align(data, validate_features)
            if pred_leaf:
                return _leaves(model, table, iteration_range, strict_shape)
            from boost.model.explain import contributions

            trees = model.trees_of(iteration_range)
            out = contributions(
                model, table, trees, approximate=approx_contribs, interactions=pred_interactions
            )
            return _shaped(out, strict_shape)
        if not training and model.is_plain_array(data):
            margin = model.array_margins(data, iteration_range)
        else:
            if training and model.params.booster == "dart":
                from boost.training.dart import without_dropped

                model = without_dropped(model)
            margin = model.margins(model.align(data, validate_features), iteration_range)
        return _shaped(margin if output_margin else model.objective.output(margin), strict_shape)

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
        """Predict without a `DMatrix`; a row-major float32 array is the fastest.

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
        model = self.model
        if base_margin is None and missing != missing and model.is_plain_array(data):
            margin = model.array_margins(data, iteration_range)
        else:
            table = model.make_table(data, missing)
            if base_margin is not None:
                table.set_base_margin(base_margin)
            margin = model.margins(model.align(table, validate_features), iteration_range)
        return _shaped(
            margin if predict_type == "margin" else model.objective.transform(margin), strict_shape
        )

    def staged_margins(self, data: Any, validate_features: bool = True) -> Iterator[Floats]:
        """Yield the margins after each round; float64, shape (rows, outputs).

        Each tree is traversed once. The same array is yielded, and changed, every time: copy it to keep it.
        """
        return self.model.staged_margins(self.model.align(data, validate_features, own=True))

    def staged_predict(
        self,
        data: Any,
        *,
        output_margin: bool = False,
        validate_features: bool = True,
        strict_shape: bool = False,
    ) -> Iterator[NDArray]:
        """Yield the predictions after each round; parameters as for `predict`."""
        for margin in self.staged_margins(data, validate_features):
            out = margin.copy() if output_margin else self.objective.output(margin.copy())
            yield _shaped(out, strict_shape)

    def predict_uncertainty(self, data: Any, **options: Any) -> Uncertainty:
        """Predict with uncertainty; options as for `boost.model.uncertainty.predict_uncertainty`."""
        from boost.model.uncertainty import predict_uncertainty

        return predict_uncertainty(self.model, self.model.align(data), **options)

    def calibrate(self, data: DMatrix, coverage: float = 0.9) -> float:
        """Calibrate intervals on held-out rows, by `boost.model.interval.calibrate`; return their margin."""
        from boost.model.interval import calibrate

        return calibrate(self.model, data, coverage)

    def predict_interval(self, data: Any) -> NDArray:
        """Return the lower and upper ends of calibrated intervals; float64, shape (rows, 2)."""
        from boost.model.interval import predict_interval

        return predict_interval(self.model, self.model.align(data))


def _shaped(values: NDArray, strict: bool) -> NDArray:
    """Return an array of shape (rows, outputs, ...) without the axis of a single output, unless `strict`."""
    return values if strict or values.shape[1] > 1 else values[:, 0]


def _leaves(model: Model, table: DMatrix, rounds: tuple[int, int] | None, strict: bool) -> NDArray[np.int32]:
    leaves, forest = model.leaves(table, rounds), model.forest
    if not strict:
        return leaves
    return leaves.reshape(len(leaves), -1, forest.round_trees // forest.parallel, forest.parallel)
