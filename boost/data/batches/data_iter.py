"""The forms in which a caller gives batches: XGBoost's `DataIter`, or a function that returns an iterable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from boost.errors import DataError

# The arguments of `DMatrix` that the items of a tuple are, in order.
TUPLE_FIELDS = "data", "label", "weight"


class DataIter:
    """Base class of iterators over batches, with XGBoost's interface: a subclass defines `next` and `reset`.

    Parameters
    ----------
    cache_prefix, release_data, on_host, min_cache_page_bytes
        Accepted for compatibility with XGBoost; they have no effect: bins are held in memory.
    """

    def __init__(
        self,
        cache_prefix: str | None = None,
        release_data: bool = True,
        *,
        on_host: bool = True,
        min_cache_page_bytes: int | None = None,
    ) -> None:
        self.cache_prefix = cache_prefix

    def reset(self) -> None:
        """Return to the first batch."""
        raise NotImplementedError(f"{type(self).__name__} must define reset()")

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Pass the next batch to `input_data`.

        Parameters
        ----------
        input_data : callable
            To be called once, with the arguments of `DMatrix` by name: ``data``, ``label``, ``weight``...

        Returns
        -------
        bool
            False, without a call of `input_data`, when there are no more batches.
        """
        raise NotImplementedError(f"{type(self).__name__} must define next(input_data)")


def is_batches(source: Any) -> bool:
    """Whether an object provides batches: it has `next` and `reset`, or is a function and no array."""
    return (hasattr(source, "next") and hasattr(source, "reset")) or (
        callable(source) and not hasattr(source, "__array__") and not hasattr(source, "shape")
    )


def read_batches(source: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each batch, from the first batch on.

    Parameters
    ----------
    source : DataIter, or a callable without arguments that returns an iterable
        Items of the iterable are values, tuples of values, labels and weights, or dicts of arguments.

    Yields
    ------
    dict of str to object
        Arguments of `DMatrix`.

    Raises
    ------
    DataError
        For a tuple of more than three items, and for a `next` that does not call `input_data` exactly once.
    """
    if hasattr(source, "next"):
        yield from _calls(source)
        return
    for item in source():
        if isinstance(item, Mapping):
            yield dict(item)
        elif isinstance(item, tuple):
            if len(item) > len(TUPLE_FIELDS):
                raise DataError(
                    f"a batch that is a tuple has at most the items {', '.join(TUPLE_FIELDS)}, "
                    f"got {len(item)} items: give a dict"
                )
            yield dict(zip(TUPLE_FIELDS, item, strict=False))
        else:
            yield {"data": item}


def _calls(source: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each call of `input_data`."""
    source.reset()
    while True:
        calls: list[dict[str, Any]] = []

        def input_data(data: Any = None, label: Any = None, *, calls: Any = calls, **options: Any) -> None:
            calls.append({"data": data, "label": label, **options})

        more = source.next(input_data)
        if not more and not calls:
            return
        if len(calls) != 1:
            raise DataError(
                f"{type(source).__name__}.next called input_data {len(calls)} times: it must call it once "
                "and return True, or not at all and return False"
            )
        yield calls[0]
        if not more:
            return
