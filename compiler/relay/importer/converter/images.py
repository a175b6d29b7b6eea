"""Conversions of operators on images and boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import NodeView, axes_of, converts, rank_of
from compiler.relay.importer.errors import OnnxError
from compiler.relay.language.expr import Expr


@converts("Resize", since=11)
def _resize(
    node: NodeView, x: Expr, roi: Expr | None = None, scales: Expr | None = None, sizes: Expr | None = None
) -> Expr:
    rank, mode = rank_of(x), node.attr("coordinate_transformation_mode")
    chosen = node.attr("axes")
    axes = axes_of(chosen, rank) if chosen is not None else tuple(range(rank))
    factors = [] if scales is None else [float(v) for v in np.ravel(node.value(scales, "scales"))]
    shape = [node.static(x)[a] for a in axes]
    if factors and len(factors) != len(axes):
        raise OnnxError(f"scales has {len(factors)} elements; {len(axes)} are needed")
    region = None
    if mode == "tf_crop_and_resize" and roi is not None:
        region = [float(v) for v in np.ravel(node.value(roi, "roi"))]
    if factors:
        spans = [1.0] * len(axes)
        if region is not None:
            spans = [b - a for a, b in zip(region[: len(axes)], region[len(axes) :], strict=True)]
        target = [math.floor(d * f * s) for d, f, s in zip(shape, factors, spans, strict=True)]
    elif sizes is not None:
        target, factors = _by_sizes(node, shape, node.ints(sizes, "sizes"))
    else:
        raise OnnxError("neither scales nor sizes are given")
    options: dict[str, Any] = {
        "method": node.attr("mode"),
        "coordinate": mode,
        "rounding": node.attr("nearest_mode"),
        "cubic_alpha": node.attr("cubic_coeff_a"),
        "exclude_outside": bool(node.attr("exclude_outside")),
        "extrapolation": node.attr("extrapolation_value"),
        "antialias": bool(node.attr("antialias", 0)),
    }
    return resized(node, x, axes, target, factors, region, options)


def _by_sizes(node: NodeView, shape: list[int], wanted: list[int]) -> tuple[list[int], list[float]]:
    """The extents and scales that a list of sizes means by the policy on the aspect ratio."""
    policy = node.attr("keep_aspect_ratio_policy", "stretch")
    if len(wanted) != len(shape):
        raise OnnxError(f"sizes has {len(wanted)} elements; {len(shape)} are needed")
    if policy == "stretch":
        return wanted, [w / d if d else 1.0 for w, d in zip(wanted, shape, strict=True)]
    pick = min if policy == "not_larger" else max
    scale = pick(w / d for w, d in zip(wanted, shape, strict=True))
    return [int(math.floor(scale * d + 0.5)) for d in shape], [scale] * len(shape)


def resized(
    node: NodeView,
    x: Expr,
    axes: tuple[int, ...],
    target: list[int],
    factors: list[float],
    region: list[float] | None,
    options: dict[str, Any],
) -> Expr:
    """An image of other extents; the axes that stay as they are take no part."""
    shape = node.static(x)
    cropped = region is not None
    kept = [i for i, a in enumerate(axes) if cropped or target[i] != shape[a] or factors[i] != 1.0]
    if not kept:
        return x
    if min(target) < 1:
        raise OnnxError(f"the result has the extents {target}; they are at least 1")
    if region is not None:
        region = [region[i] for i in kept] + [region[len(axes) + i] for i in kept]
    return node.call(
        "image.resize",
        x,
        size=tuple(target[i] for i in kept),
        axes=tuple(axes[i] for i in kept),
        scales=tuple(factors[i] for i in kept),
        roi=None if region is None else tuple(region),
        **options,
    )


@converts("Upsample")
@converts("Resize", until=10)
def _upsample(node: NodeView, x: Expr, scales: Expr | None = None) -> Expr:
    given = node.attr("scales") if scales is None else np.ravel(node.value(scales, "scales"))
    factors, shape = [float(f) for f in given], node.static(x)
    if len(factors) != len(shape):
        raise OnnxError(f"scales has {len(factors)} elements; {len(shape)} are needed")
    target = [math.floor(d * f) for d, f in zip(shape, factors, strict=True)]
    options = {"method": node.attr("mode"), "coordinate": "asymmetric", "rounding": "floor"}
    return resized(node, x, tuple(range(len(shape))), target, factors, None, options)


_METHODS = {
    "bilinear": "linear",
    "linear": "linear",
    "nearest": "nearest",
    "bicubic": "cubic",
    "cubic": "cubic",
}


@converts("GridSample")
def _grid_sample(node: NodeView, x: Expr, grid: Expr) -> Expr:
    return node.call(
        "image.grid_sample",
        x,
        grid,
        method=_METHODS[node.attr("mode")],
        padding_mode=node.attr("padding_mode"),
        align_corners=bool(node.attr("align_corners")),
    )


@converts("AffineGrid")
def _affine_grid(node: NodeView, theta: Expr, size: Expr) -> Expr:
    return node.call(
        "image.affine_grid",
        theta,
        size=tuple(node.ints(size, "size")),
        align_corners=bool(node.attr("align_corners")),
    )


@converts("RoiAlign")
def _roi_align(node: NodeView, x: Expr, rois: Expr, batch: Expr) -> Expr:
    mode = node.attr("coordinate_transformation_mode", "output_half_pixel")
    return node.call(
        "vision.roi_align",
        x,
        rois,
        batch,
        pooled_size=(node.attr("output_height"), node.attr("output_width")),
        spatial_scale=node.attr("spatial_scale"),
        sampling_ratio=node.attr("sampling_ratio"),
        mode=node.attr("mode"),
        coordinate="output_half_pixel" if node.opset < 16 else mode,
    )


@converts("MaxRoiPool")
def _roi_pool(node: NodeView, x: Expr, rois: Expr) -> Expr:
    return node.call(
        "vision.roi_pool",
        x,
        rois,
        pooled_size=tuple(node.attr("pooled_shape")),
        spatial_scale=node.attr("spatial_scale"),
    )


@converts("NonMaxSuppression")
def _non_max_suppression(
    node: NodeView,
    boxes: Expr,
    scores: Expr,
    most: Expr | None = None,
    overlap: Expr | None = None,
    least: Expr | None = None,
) -> Expr:
    def number(value: Expr | None, what: str) -> Any:
        return None if value is None else node.value(value, what).reshape(()).item()

    return node.call(
        "vision.non_max_suppression",
        boxes,
        scores,
        max_output_boxes_per_class=int(number(most, "max_output_boxes_per_class") or 0),
        iou_threshold=float(number(overlap, "iou_threshold") or 0.0),
        score_threshold=number(least, "score_threshold"),
        center_point_box=bool(node.attr("center_point_box")),
    )
