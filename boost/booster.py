"""`Booster`: a model with XGBoost's methods, and the state of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.dmatrix import DMatrix
from boost.data.frames.dictionary import Categories, CategoryIndex
from boost.forest.forest import Forest
from boost.model.model import Attributes, Model
from boost.objective import Objective
from boost.params import Params, as_dict, resolve
from boost.params.record import Given
from boost.predictions import Predictions
from boost.show.inspection import Inspection

if TYPE_CHECKING:
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


class _OfEarlyStopping(_OfModel[Value]):
    """An attribute of a model that early stopping sets: absent before, as in XGBoost."""

    def __get__(self, booster: Booster | None, owner: type) -> Any:
        value = super().__get__(booster, owner)
        if value is None:
            raise AttributeError(
                f"{self._name} is set by early stopping, which this model was trained without"
            )
        return value


class Booster(Inspection, Predictions):
    """A model that can be trained, with the methods of XGBoost's `Booster`.

    Parameters
    ----------
    params : dict or list of pairs, optional
        As for `train`.
    cache : sequence of DMatrix
        Before the first round, the model predicts the base score for tables of the columns of the first of
        these. Otherwise they have no effect: the margins of the last training table are always kept.
    model_file : path, bytes or Booster, optional
        A model to load, see `load_model`, or to copy.

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
    best_iteration, best_score : int and float
        Set by early stopping; without it, they are absent: reading them raises AttributeError.
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
    best_iteration = _OfEarlyStopping[int]()
    best_score = _OfEarlyStopping[float]()
    # The first table in `cache`.
    _first: DMatrix | None = None

    def __init__(
        self, params: Given | None = None, cache: Sequence[DMatrix] | None = None, model_file: Any = None
    ) -> None:
        self._wrap(Model(resolve(params)))
        for table in cache or ():
            if not isinstance(table, DMatrix):
                raise ValueError(f"cache must hold DMatrix, got {type(table).__name__}")
            self._first = table if self._first is None else self._first
        if model_file is not None:
            self.load_model(model_file)

    def _wrap(self, model: Model) -> None:
        self.model = model
        self.history: dict[str, dict[str, list[float]]] = {}
        self._trainer: Trainer | None = None

    def _predicting(self) -> Model:
        if self.model.n_features or self._first is None:
            return self.model
        from boost.training.start import start

        model = self.model.copy()
        start(model, self._first, custom=True)
        return model

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
        """Write a model file in XGBoost's JSON (a name that ends in ".json") or UBJSON (".ubj"), atomically.

        For another ending it is UBJSON, with a warning.
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
        source : path, bytes or bytearray as from `save_raw`, or Booster
            The format is detected from the bytes, not from the name. A booster is copied.

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

        model = source.model.copy() if isinstance(source, Booster) else read_model(source, self.params)
        self.model, self._trainer = model, None

    def save_config(self) -> str:
        """Return the parameters as JSON, in the sections of XGBoost's ``save_config``; values are strings."""
        from boost.model.configuration import to_text

        return to_text(self.model)

    def load_config(self, config: str) -> None:
        """Change parameters to those of `save_config`, of either library.

        Raises
        ------
        ParameterError
            For text that is no such JSON, and as `set_param`.
        """
        from boost.model.configuration import from_text

        self.set_param(from_text(config))

    def reset(self) -> Booster:
        """Discard the margins and buffers of the last training table, and return the booster."""
        self._trainer = None
        return self

    def get_categories(self, export_to_arrow: bool = False) -> CategoryIndex:
        """Return the dictionaries of the categorical features, for the ``feature_types`` of a `DMatrix`.

        Parameters
        ----------
        export_to_arrow : bool
            Accepted for compatibility with XGBoost: ``to_arrow`` is always available.
        """
        return CategoryIndex(self.model.categories, self.model.n_features, self.feature_names)

    def attr(self, key: str) -> str | None:
        """Return an attribute, or None when the model does not have it."""
        return self.attributes.get(key)

    def set_attr(self, **attributes: Any) -> None:
        """Set attributes, which are saved with the model as strings; None removes one."""
        for key, value in attributes.items():
            self.attributes.set(key, value)

    def set_param(self, params: Given | str, value: Any = None) -> None:
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
        given = {params: value} if isinstance(params, str) else as_dict(params)
        self.model.change_params(self.params.replace(**given))

    # Parts and copies

    def __getitem__(self, rounds: int | slice) -> Booster:
        """Return a model of some rounds, such as ``booster[2:8:2]``; the trees are shared.

        An ellipsis means all rounds, or the end of a slice that is open there.

        Raises
        ------
        IndexError
            For a round that the model does not have.
        ValueError
            For a step below 1.
        TypeError
            For anything but an integer or a slice.
        """
        count = self.forest.rounds
        part = slice(None) if rounds is ... else rounds
        try:
            if isinstance(part, slice):
                bounds = (None if at is ... else at for at in (part.start, part.stop, part.step))
                begin, end, step = (None if at is None else index(at) for at in bounds)
            else:
                begin = index(part)
                end, step = begin + 1 or None, 1
        except TypeError:
            raise TypeError(
                f"a round is an integer, and rounds are a slice of integers: got {rounds!r}"
            ) from None
        if step is not None and step < 1:
            raise ValueError(f"the step of a slice of rounds must be at least 1, got {step}")
        for at, last in ((begin, count if isinstance(part, slice) else count - 1), (end, count)):
            if at is not None and not -count <= at <= last:
                raise IndexError(f"round {rounds} of a model of {count} rounds")
        begin, end, step = slice(begin, end, step).indices(count)
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
        return {**self.__dict__, "_trainer": None, "_first": None}

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
        self.forest.truncate(self.forest.trees_of_rounds(0, rounds)[1], weights)

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

    def boost(
        self,
        dtrain: DMatrix,
        iteration: int,
        grad: ArrayLike | None = None,
        hess: ArrayLike | None = None,
        fobj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    ) -> None:
        """Train one more round on given gradients and hessians of shape (rows,) or (rows, outputs).

        The weights of the table are not applied to them. `fobj` in place of them is that of `update`.
        """
        if (fobj is None) != (grad is not None and hess is not None):
            raise ValueError("give grad and hess, or fobj in place of them")
        given: Any = (grad, hess)
        self.update(dtrain, iteration, fobj or (lambda margin, data: given))

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
