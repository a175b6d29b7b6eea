"""Sampling of images at computed places: grids, regions of interest, and the choice among boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, rank, same_dtype, tensor
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import ANY, TensorType, Type
from compiler.relay.operator.elementwise import check_dtype, dtype_of
from compiler.relay.operator.network.image import ARRAYS, EXPRESSIONS, Arithmetic, cubic
from compiler.relay.operator.network.product import accumulator, fits, stored

Array = np.ndarray


# grid_sample ---------------------------------------------------------------------------------------------


def _grid_type(attrs: Attrs, data: Type, grid: Type) -> Type:
    x, g = tensor(data), tensor(grid, "the grid")
    count = rank(x) - 2
    if count < 1 or rank(g) != rank(x) or not fits(g.shape[-1], count) or not fits(g.shape[0], x.shape[0]):  # type: ignore[index]
        raise ValueError(
            f"grid_sample: a grid (N, ..., {count}) of {count + 2} axes is needed for {x}, not {g}"
        )
    check_dtype(x, "a float")
    check_dtype(g, "a float", "the grid")
    return TensorType((*x.shape[:2], *g.shape[1:-1]), x.dtype)  # type: ignore[index]


def _borders(attrs: Attrs, size: int) -> tuple[float, float]:
    return (0.0, size - 1.0) if attrs.align_corners else (-0.5, size - 0.5)


def _reflected(f: Arithmetic, x: Any, low: float, high: float) -> Any:
    """A coordinate that is mirrored at both borders until it is between them."""
    width = high - low
    if width == 0:
        return x * 0.0 + low
    beyond = f.maximum(low - x, x - high)
    turns = f.trunc(beyond / width)
    rest = beyond - turns * width
    even = f.trunc(turns / 2.0) * 2.0 >= turns
    from_low, from_high = f.where(even, low + rest, high - rest), f.where(even, high - rest, low + rest)
    return f.where(x < low, from_low, f.where(x > high, from_high, x))


def coordinate(f: Arithmetic, attrs: Attrs, place: Any, size: int) -> Any:
    """The coordinate in pixels of a place from -1 to 1, padded as the attributes say."""
    if attrs.align_corners:
        x = (place + 1.0) / 2.0 * (size - 1.0)
    else:
        x = ((place + 1.0) * float(size) - 1.0) / 2.0
    if attrs.method == "nearest":
        x = f.round(x)
    if attrs.padding_mode == "reflection":
        x = _reflected(f, x, *_borders(attrs, size))
    return x


def tap_offsets(attrs: Attrs) -> range:
    """The elements that are summed along an axis, relative to the one at or before the coordinate."""
    return {"nearest": range(1), "linear": range(2), "cubic": range(-1, 3)}[attrs.method]


def tap_weight(f: Arithmetic, attrs: Attrs, x: Any, offset: Any, size: int) -> Any:
    """The weight of an element near a coordinate."""
    first = f.floor(x)
    distance = x - first - offset
    if attrs.method == "nearest":
        weight = distance * 0.0 + 1.0
    else:
        weight = 1.0 - f.abs(distance) if attrs.method == "linear" else cubic(f, distance, -0.75)
    if attrs.padding_mode != "zeros":
        return weight
    pixel = first + offset
    inside = f.where(pixel >= 0.0, pixel, pixel * 0.0 + float(size)) < float(size)
    return f.where(inside, weight, weight * 0.0)


def tap_pixel(f: Arithmetic, attrs: Attrs, x: Any, offset: Any, size: int) -> Any:
    """The index of that element, inside of the image."""
    pixel = f.floor(x) + offset
    if attrs.padding_mode == "reflection":
        pixel = f.trunc(_reflected(f, pixel, *_borders(attrs, size)))
    return f.clip(pixel, pixel * 0.0, pixel * 0.0 + (size - 1.0))


def _grid_sample(attrs: Attrs, x: Array, grid: Array) -> Array:
    count, wide = x.ndim - 2, accumulator(x.dtype.name)
    outs = grid.shape[1:-1]
    total = np.zeros((*x.shape[:2], *outs), wide)
    if not total.size:
        return total.astype(x.dtype)
    places = [grid[..., count - 1 - d].astype(accumulator(grid.dtype.name)) for d in range(count)]
    at = [coordinate(ARRAYS, attrs, p, n) for p, n in zip(places, x.shape[2:], strict=True)]
    image = np.arange(x.shape[0]).reshape(-1, *[1] * len(outs))
    for offsets in product(tap_offsets(attrs), repeat=count):
        scale: Any = 1.0
        index: list[Array] = []
        for place, offset, size in zip(at, offsets, x.shape[2:], strict=True):
            scale = scale * tap_weight(ARRAYS, attrs, place, float(offset), size)
            index.append(tap_pixel(ARRAYS, attrs, place, float(offset), size).astype(np.int64))
        values = np.moveaxis(x, 1, -1)[(image, *index)]
        total += np.moveaxis(values.astype(wide) * scale[..., None].astype(wide), -1, 1)
    return total.astype(x.dtype)


def _grid_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    """Coordinates, indices and weights are the same for all channels: tensors of their own."""
    x, grid = tensors
    count, wide, inner = x.ndim - 2, accumulator(x.dtype), accumulator(grid.dtype)
    outs, offsets = grid.shape[1:-1], tap_offsets(attrs)
    indices, weights = [], []
    for d, size in enumerate(x.shape[2:]):
        place = te.compute(
            (grid.shape[0], *outs),
            lambda *at, d=d, size=size: coordinate(
                EXPRESSIONS, attrs, grid[(*at, count - 1 - d)].astype(inner), size
            ),
            "place",
        )

        def of(rule: Any, dtype: str, name: str, place: Any = place, size: int = size) -> Any:
            def element(n: Any, k: Any, *at: Any) -> Any:
                offset = k.astype(inner) + float(offsets[0])
                return rule(EXPRESSIONS, attrs, place[(n, *at)], offset, size).astype(dtype)

            return te.compute((grid.shape[0], len(offsets), *outs), element, name)

        indices.append(of(tap_pixel, "int32", "pixel"))
        weights.append(of(tap_weight, wide, "weight"))
    taps = [te.reduce_axis((0, len(offsets)), f"k{d}") for d in range(count)]

    def term(n: Any, c: Any, *at: Any) -> Any:
        index, scale = [], None
        for k, size, pixel, weight in zip(taps, x.shape[2:], indices, weights, strict=True):
            index.append(te.minimum(te.maximum(pixel[(n, k, *at)], 0), size - 1))
            part = weight[(n, k, *at)]
            scale = part if scale is None else scale * part
        return te.sum(x[(n, c, *index)].astype(wide) * scale, axis=taps)

    return stored(te.compute(result.shape, term, "grid_sample"), x.dtype, "out")


# affine_grid ---------------------------------------------------------------------------------------------


def _affine_type(attrs: Attrs, theta: Type) -> Type:
    t, count = tensor(theta, "theta"), len(attrs.size) - 2
    if count not in (2, 3) or rank(t) != 3 or not fits(t.shape[1], count) or not fits(t.shape[2], count + 1):  # type: ignore[index]
        raise ValueError(
            f"affine_grid: theta (N, {count}, {count + 1}) is needed for size {attrs.size}, not {t}"
        )
    return TensorType((t.shape[0], *attrs.size[2:], count), t.dtype)  # type: ignore[index]


def _base(attrs: Attrs, dtype: str) -> Array:
    """The homogeneous coordinates of each pixel, from -1 to 1: (pixels, axes + 1), the last axis first."""
    lines = []
    for size in attrs.size[2:]:
        line = (2 * np.arange(size) + 1) / size - 1
        if attrs.align_corners:
            line = np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
        lines.append(line)
    grids = np.meshgrid(*lines, indexing="ij")
    columns = [*(g.ravel() for g in reversed(grids)), np.ones(grids[0].size)]
    return np.stack(columns, axis=1).astype(dtype)


def _affine_grid(attrs: Attrs, theta: Array) -> Array:
    points = _base(attrs, theta.dtype.name) @ theta.swapaxes(1, 2)
    return points.reshape(theta.shape[0], *attrs.size[2:], theta.shape[1])


def _affine_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (theta,) = tensors
    sizes, dtype = attrs.size[2:], theta.dtype
    count = len(sizes)

    def place(size: int, i: Any) -> Any:
        if attrs.align_corners:
            return i.astype(dtype) * te.const(2 / max(size - 1, 1), dtype) - te.const(float(size > 1), dtype)
        return (i.astype(dtype) * 2.0 + 1.0) / te.const(size, dtype) - te.const(1, dtype)

    def element(n: Any, *at: Any) -> Any:
        axis = at[-1]
        total = theta[n, axis, count]
        for d in range(count):
            total = total + theta[n, axis, d] * place(sizes[count - 1 - d], at[count - 1 - d])
        return total

    return te.compute(result.shape, element, "affine_grid")


def _affine_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    (theta,) = call.args
    n, count, _ = theta.checked_type.dims  # type: ignore[attr-defined]
    base = _base(call.attrs, dtype_of(theta))
    flat = op("reshape")(grad, newshape=(n, len(base), count))
    return [op("nn.matmul")(op("transpose")(flat, axes=(0, 2, 1)), Constant(base))]


# regions of interest -------------------------------------------------------------------------------------


def _roi_type(attrs: Attrs, data: Type, rois: Type, *batch: Type) -> Type:
    x, r = tensor(data), tensor(rois, "rois")
    wanted = 4 if batch else 5
    if rank(x) != 4 or rank(r) != 2 or not fits(r.shape[1], wanted):  # type: ignore[index]
        raise ValueError(f"an image (N, C, H, W) and rois (count, {wanted}) are needed, not {x} and {r}")
    if len(attrs.pooled_size) != 2:
        raise ValueError(f"pooled_size is {attrs.pooled_size}; height and width are needed")
    for b in batch:
        check_dtype(tensor(b), "an integer", "batch_indices")
    return TensorType((r.shape[0], x.shape[1], *attrs.pooled_size), same_dtype(x, r))  # type: ignore[index]


def _bins(
    begin: float, extent: float, count: int, size: int, ratio: int
) -> tuple[Array, Array, Array, Array]:
    """The samples along an axis: for each of ``count * samples`` the pixels below and above, the weight of
    the one above, and whether it is inside of the image.
    """
    samples = ratio if ratio > 0 else int(np.ceil(extent / count))
    width = extent / count
    at = (
        begin
        + np.arange(count)[:, None] * width
        + (np.arange(samples) + 0.5)[None, :] * width / max(samples, 1)
    )
    inside = (at >= -1) & (at <= size)
    at = np.maximum(at, 0)
    below = np.minimum(at.astype(np.int64), size - 1)
    above = np.minimum(below + 1, size - 1)
    return below, above, np.where(below >= size - 1, 0, at - below), inside


Taps = list[tuple[Array, Array, Array]]
"""Of the bilinear samples of a region the four pixels: rows, columns and weights, which broadcast to
(bins down, samples down, bins across, samples across).
"""


def _taps(attrs: Attrs, size: Sequence[int], roi: Array) -> Taps | None:
    """The samples of a region; None, if it has none."""
    height, width = attrs.pooled_size
    half = attrs.coordinate == "half_pixel"
    left, top, right, bottom = roi * attrs.spatial_scale - (0.5 if half else 0.0)
    wide, high = right - left, bottom - top
    if not half:
        wide, high = max(wide, 1.0), max(high, 1.0)
    y0, y1, fy, in_y = _bins(top, high, height, size[0], attrs.sampling_ratio)
    x0, x1, fx, in_x = _bins(left, wide, width, size[1], attrs.sampling_ratio)
    if not y0.size or not x0.size:
        return None
    found = []
    for rows, wy in ((y0, 1 - fy), (y1, fy)):
        for columns, wx in ((x0, 1 - fx), (x1, fx)):
            weight = (wy * in_y)[:, :, None, None] * (wx * in_x)[None, None]
            found.append((rows[:, :, None, None], columns[None, None], weight))
    return found


def _check_images(batch: Array, x: Array) -> None:
    if batch.size and not 0 <= batch.min() <= batch.max() < len(x):
        wrong = batch.min() if batch.min() < 0 else batch.max()
        raise ValueError(f"a region is of image {int(wrong)}; there are {len(x)} images")


def _roi_align(attrs: Attrs, x: Array, rois: Array, batch: Array) -> Array:
    _check_images(batch, x)
    out = np.zeros((len(rois), x.shape[1], *attrs.pooled_size), np.float64)
    for k, (roi, image) in enumerate(zip(rois.astype(np.float64), batch.astype(np.int64), strict=True)):
        taps, plane = _taps(attrs, x.shape[2:], roi), x[image].astype(np.float64)
        if taps is None:
            continue
        parts = [plane[:, rows, columns] * weight for rows, columns, weight in taps]
        if attrs.mode == "avg":
            out[k] = sum(parts[1:], parts[0]).mean(axis=(2, 4))
        else:
            out[k] = np.max(np.stack(parts), axis=0).max(axis=(2, 4))
    return out.astype(x.dtype)


def _roi_align_slope(attrs: Attrs, grad: Array, x: Array, rois: Array, batch: Array) -> Array:
    """The derivative by the image; equal largest samples share."""
    slope = np.zeros(x.shape, np.float64)
    for k, (roi, image) in enumerate(zip(rois.astype(np.float64), batch.astype(np.int64), strict=True)):
        taps, plane = _taps(attrs, x.shape[2:], roi), x[image].astype(np.float64)
        if taps is None:
            continue
        given = grad[k].astype(np.float64)[:, :, None, :, None]
        parts = np.stack([plane[:, rows, columns] * weight for rows, columns, weight in taps])
        if attrs.mode == "avg":
            shares = np.full(parts.shape, 1 / (parts.shape[3] * parts.shape[5]))
        else:
            top = parts == parts.max(axis=(0, 3, 5), keepdims=True)
            shares = top / top.sum(axis=(0, 3, 5), keepdims=True)
        for (rows, columns, weight), share in zip(taps, shares, strict=True):
            places: Any = (slice(None), *np.broadcast_arrays(rows, columns))
            np.add.at(slope[image], places, given * share * weight)
    return slope.astype(x.dtype)


def _pool_cells(attrs: Attrs, x: Array, roi: Array) -> Iterator[tuple[tuple[int, int], Array]]:
    """The bins of a region that have pixels, and these: (channels, rows, columns), views of the image."""
    image, box = int(roi[0]), np.floor(roi[1:] * attrs.spatial_scale + 0.5).astype(int)
    edges = []
    sides = zip((box[1], box[0]), (box[3], box[2]), attrs.pooled_size, x.shape[2:], strict=True)
    for begin, end, count, size in sides:
        step = max(end - begin + 1, 1) / count
        low = np.clip(np.floor(np.arange(count) * step).astype(int) + begin, 0, size)
        high = np.clip(np.ceil((np.arange(count) + 1) * step).astype(int) + begin, 0, size)
        edges.append(list(zip(low, high, strict=True)))
    for i, (top, bottom) in enumerate(edges[0]):
        for j, (left, right) in enumerate(edges[1]):
            if top < bottom and left < right:
                yield (i, j), x[image, :, top:bottom, left:right]


def _roi_pool(attrs: Attrs, x: Array, rois: Array) -> Array:
    _check_images(rois[:, 0], x)
    out = np.zeros((len(rois), x.shape[1], *attrs.pooled_size), x.dtype)
    for k, roi in enumerate(rois):
        for (i, j), cell in _pool_cells(attrs, x, roi):
            out[k, :, i, j] = cell.max(axis=(1, 2))
    return out


def _roi_pool_slope(attrs: Attrs, grad: Array, x: Array, rois: Array) -> Array:
    """The derivative by the image; equal largest pixels share."""
    slope = np.zeros_like(x)
    for k, roi in enumerate(rois):
        both = zip(_pool_cells(attrs, x, roi), _pool_cells(attrs, slope, roi), strict=True)
        for ((i, j), cell), (_, into) in both:
            top = cell == cell.max(axis=(1, 2), keepdims=True)
            into += grad[k, :, i, j, None, None] * (top / top.sum(axis=(1, 2), keepdims=True))
    return slope


def _slope_type(attrs: Attrs, grad: Type, data: Type, *rest: Type) -> Type:
    made = _roi_type(attrs, data, *rest)
    same_dtype(tensor(grad), tensor(made))
    if rank(tensor(grad)) != 4 or not all(map(fits, grad.shape, made.shape)):  # type: ignore[attr-defined]
        raise ValueError(f"the gradient is {grad}; {made} is needed")
    return data


def _roi_gradient(name: str) -> Any:
    """The derivative by the image; that by the regions is none, as in other libraries."""

    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        return [op(f"vision.{name}_slope")(grad, *call.args, **call.attrs), *[None] * (len(call.args) - 1)]

    return gradient


# boxes ---------------------------------------------------------------------------------------------------


def _nms_type(attrs: Attrs, boxes: Type, scores: Type) -> Type:
    b, s = tensor(boxes, "boxes"), tensor(scores, "scores")
    same = rank(b) == rank(s) == 3 and fits(b.shape[0], s.shape[0]) and fits(b.shape[1], s.shape[2])  # type: ignore[index]
    if not same or not fits(b.shape[2], 4):  # type: ignore[index]
        raise ValueError(f"boxes (N, count, 4) and scores (N, classes, count) are needed, not {b} and {s}")
    return TensorType((ANY, 3), "int64")


def _corners(attrs: Attrs, boxes: Array) -> Array:
    """Boxes as low and high corner: shape (count, 4)."""
    if attrs.center_point_box:
        x, y, w, h = boxes.T
        return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
    a, b = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([np.minimum(a, b), np.maximum(a, b)], axis=1)


def _nms(attrs: Attrs, boxes: Array, scores: Array) -> Array:
    found: list[tuple[int, int, int]] = []
    for n in range(len(boxes)):
        corners = _corners(attrs, boxes[n].astype(np.float64))
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
        for c in range(scores.shape[1]):
            given = scores[n, c]
            order = np.argsort(-given, kind="stable")
            if attrs.score_threshold is not None:
                order = order[given[order] > np.float32(attrs.score_threshold)]
            count = 0
            while len(order) and count < attrs.max_output_boxes_per_class:
                best, order = order[0], order[1:]
                found.append((n, c, int(best)))
                count += 1
                low = np.maximum(corners[order, :2], corners[best, :2])
                high = np.minimum(corners[order, 2:], corners[best, 2:])
                shared = np.prod(np.maximum(high - low, 0), axis=1)
                union = areas[order] + areas[best] - shared
                overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
                order = order[overlap <= np.float32(attrs.iou_threshold)]
    return np.array(found, np.int64).reshape(-1, 3)


_POOLED = (Attribute("pooled_size", "ints", REQUIRED), Attribute("spatial_scale", "float", 1.0))
_SAMPLED = (
    *_POOLED,
    Attribute("sampling_ratio", "int", 0),
    Attribute("mode", "str", "avg", ("avg", "max")),
    Attribute("coordinate", "str", "half_pixel", ("half_pixel", "output_half_pixel")),
)
_ALIGN = Attribute("align_corners", "bool", False)
ROWS = (
    Op(
        "image.grid_sample",
        ("data", "grid"),
        forward(_grid_type),
        _grid_sample,
        _grid_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        (
            Attribute("method", "str", "linear", ("nearest", "linear", "cubic")),
            Attribute("padding_mode", "str", "zeros", ("zeros", "border", "reflection")),
            _ALIGN,
        ),
        doc="An image sampled at the places of a grid, from -1 to 1 along each axis (arXiv 1506.02025).",
    ),
    Op(
        "image.affine_grid",
        ("theta",),
        forward(_affine_type),
        _affine_grid,
        _affine_compute,
        Fuse.OPAQUE,
        (Attribute("size", "ints", REQUIRED), _ALIGN),
        _affine_gradient,
        doc="The grid that an affine map of an image's places makes (arXiv 1506.02025).",
    ),
    Op(
        "vision.roi_align",
        ("data", "rois", "batch_indices"),
        forward(_roi_type),
        _roi_align,
        attributes=_SAMPLED,
        gradient=_roi_gradient("roi_align"),
        doc="Samples of regions, pooled to a size (arXiv 1703.06870).",
    ),
    Op(
        "vision.roi_align_slope",
        ("grad", "data", "rois", "batch_indices"),
        forward(_slope_type),
        _roi_align_slope,
        attributes=_SAMPLED,
        doc="The derivative of roi_align by the image.",
    ),
    Op(
        "vision.roi_pool",
        ("data", "rois"),
        forward(_roi_type),
        _roi_pool,
        attributes=_POOLED,
        gradient=_roi_gradient("roi_pool"),
        doc="The maximum of each part of a region (arXiv 1504.08083).",
    ),
    Op(
        "vision.roi_pool_slope",
        ("grad", "data", "rois"),
        forward(_slope_type),
        _roi_pool_slope,
        attributes=_POOLED,
        doc="The derivative of roi_pool by the image.",
    ),
    Op(
        "vision.non_max_suppression",
        ("boxes", "scores"),
        forward(_nms_type),
        _nms,
        attributes=(
            Attribute("max_output_boxes_per_class", "int", REQUIRED),
            Attribute("iou_threshold", "float", 0.0),
            Attribute("score_threshold", "float?", None),
            Attribute("center_point_box", "bool", False),
        ),
        doc="The boxes of the highest scores that do not overlap better ones: (image, class, box) of each.",
    ),
)
