"""Resizing, sampling, regions and boxes: definition, type, computation, gradient and refusals."""

import math

import numpy as np
import pytest

from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from tests.compiler.relay.operator.cases import Case, array, checks, result_type

X = array(1, 2, 4, 5)


def _coordinate(kind, o, size, out, scale, roi):
    wide = scale * size
    return {
        "half_pixel": (o + 0.5) / scale - 0.5,
        "half_pixel_symmetric": (o + 0.5) / scale - 0.5 + size / 2 * (1 - out / wide),
        "pytorch_half_pixel": (o + 0.5) / scale - 0.5 if wide > 1 else -0.5,
        "align_corners": o * (size - 1) / (wide - 1) if wide > 1 else 0.0,
        "asymmetric": o / scale,
        "tf_half_pixel_for_nn": (o + 0.5) / scale,
        "tf_crop_and_resize": roi[0] * (size - 1) + o * (roi[1] - roi[0]) * (size - 1) / max(wide - 1, 1),
    }[kind]


def _triangle(d, alpha):
    return max(0.0, 1 - abs(d))


def _keys(d, alpha):
    d = abs(d)
    if d <= 1:
        return (alpha + 2) * d**3 - (alpha + 3) * d**2 + 1
    return alpha * d**3 - 5 * alpha * d**2 + 8 * alpha * d - 4 * alpha if d < 2 else 0.0


def _nearest(x, rounding):
    if rounding == "floor":
        return math.floor(x)
    if rounding == "ceil":
        return math.ceil(x)
    return math.ceil(x - 0.5) if rounding == "round_prefer_floor" else math.floor(x + 0.5)


def _resized(x, **attrs):
    """Along one axis after the other: an element sums all, weighted by a kernel of their distance."""
    count = len(attrs["size"])
    axes, scales = attrs.get("axes", tuple(range(2, x.ndim))), attrs.get("scales")
    method, kind = attrs.get("method", "nearest"), attrs.get("coordinate", "half_pixel")
    roi = attrs.get("roi", (0.0,) * count + (1.0,) * count)
    y = x.astype("float64")
    outside = np.zeros([1] * x.ndim, bool)
    for k, axis in enumerate(axes):
        size, out = x.shape[axis], attrs["size"][k]
        scale = scales[k] if scales else out / size
        narrow = min(scale, 1.0) if attrs.get("antialias") else 1.0
        matrix, far = np.zeros((out, size)), np.zeros(out, bool)
        for o in range(out):
            at = _coordinate(kind, o, size, out, scale, (roi[k], roi[k + count]))
            far[o] = kind == "tf_crop_and_resize" and not 0 <= at <= size - 1
            if method == "nearest":
                matrix[
                    o, min(max(_nearest(at, attrs.get("rounding", "round_prefer_floor")), 0), size - 1)
                ] = 1
                continue
            kernel = _triangle if method == "linear" else _keys
            for j in range(math.floor(at) - 12, math.floor(at) + 13):
                weight = kernel((j - at) * narrow, attrs.get("cubic_alpha", -0.75))
                if 0 <= j < size or not attrs.get("exclude_outside"):
                    matrix[o, min(max(j, 0), size - 1)] += weight
            matrix[o] /= matrix[o].sum()
        y = np.moveaxis(np.tensordot(matrix, y, (1, axis)), 0, axis)
        outside = outside | far.reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    return np.where(outside, attrs.get("extrapolation", 0.0), y).astype(x.dtype)


RESIZES = [
    {"size": (8, 15)},
    {"size": (2, 5)},  # the coordinates are halfway between two elements
    {"size": (2, 5), "rounding": "round_prefer_ceil"},
    {"size": (8, 15), "coordinate": "asymmetric", "rounding": "floor"},
    {"size": (2, 3), "rounding": "ceil", "coordinate": "align_corners"},
    {"size": (3, 7), "rounding": "round_prefer_ceil", "coordinate": "tf_half_pixel_for_nn"},
    {"size": (8, 10), "method": "linear"},
    {"size": (3, 7), "method": "linear", "coordinate": "align_corners"},
    {"size": (1, 3), "method": "linear", "coordinate": "pytorch_half_pixel"},
    {"size": (2, 3), "method": "linear", "antialias": True},
    {"size": (7, 3), "method": "cubic"},
    {"size": (2, 9), "method": "cubic", "exclude_outside": True, "cubic_alpha": -0.5},
    {"size": (2, 2), "method": "cubic", "antialias": True},
    {"size": (5, 7), "method": "linear", "scales": (1.3, 1.5), "coordinate": "half_pixel_symmetric"},
    {
        "size": (3, 4),
        "method": "linear",
        "coordinate": "tf_crop_and_resize",
        "roi": (0.2, -0.3, 0.9, 1.2),
        "extrapolation": 7.0,
    },
    {"size": (3,), "axes": (1,), "method": "linear"},
]


def _sampled(x, grid, method="linear", padding="zeros", align=False):
    """One element after the other, of an image of two axes."""

    def mirrored(i, size):
        low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
        while not low <= i <= high and high > low:
            i = 2 * low - i if i < low else 2 * high - i
        return i

    def pixel(plane, i, j):
        if padding == "reflection":
            i, j = (int(mirrored(v, n)) for v, n in zip((i, j), plane.shape, strict=True))
        if padding == "zeros" and not (0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]):
            return 0.0
        return plane[min(max(i, 0), plane.shape[0] - 1), min(max(j, 0), plane.shape[1] - 1)]

    y = np.zeros((*x.shape[:2], *grid.shape[1:3]), x.dtype)
    for n, c, a, b in np.ndindex(*y.shape):
        place = [
            (g + 1) / 2 * (s - 1) if align else ((g + 1) * s - 1) / 2
            for g, s in zip(grid[n, a, b, ::-1].astype("float64"), x.shape[2:], strict=True)
        ]
        if method == "nearest":
            place = [round(v) for v in place]
        if padding == "reflection":
            place = [mirrored(v, s) for v, s in zip(place, x.shape[2:], strict=True)]
        kernel, reach = {"nearest": (None, 0), "linear": (_triangle, 1), "cubic": (_keys, 2)}[method]
        if kernel is None:
            y[n, c, a, b] = pixel(x[n, c], *(int(v) for v in place))
            continue
        (i, j) = (math.floor(v) for v in place)
        y[n, c, a, b] = sum(
            kernel(p - place[0], -0.75) * kernel(q - place[1], -0.75) * pixel(x[n, c], p, q)
            for p in range(i + 1 - reach, i + 1 + reach)
            for q in range(j + 1 - reach, j + 1 + reach)
        )
    return y


GRID = array(1, 3, 2, 2, low=-1.6, high=1.6, seed=5)
THETA = array(2, 2, 3)


def _affine(size, align):
    def oracle(theta):
        y = np.zeros((len(theta), *size[2:], 2), theta.dtype)
        for n, i, j in np.ndindex(*y.shape[:3]):
            v, u = (
                (2 * k / (s - 1) - 1 if align else (2 * k + 1) / s - 1)
                for k, s in zip((i, j), size[2:], strict=True)
            )
            y[n, i, j] = theta[n] @ np.array([u, v, 1.0])
        return y

    return oracle


ROIS = np.array([[0.5, 0.7, 3.2, 2.9], [1.0, 0.0, 4.0, 3.5], [2.0, 1.0, 2.4, 1.2]], "float32")
IMAGES = np.array([1, 0, 1], "int64")
PAIR = array(2, 2, 4, 5)


def _aligned(mode, half, samples):
    def oracle(x, rois, images):
        y = np.zeros((len(rois), x.shape[1], 2, 3), x.dtype)
        for r, c, a, b in np.ndindex(*y.shape):
            low_x, low_y, high_x, high_y = rois[r].astype("float64") * 0.8 - (0.5 if half else 0)
            wide, tall = high_x - low_x, high_y - low_y
            if not half:
                wide, tall = max(wide, 1.0), max(tall, 1.0)
            n, m = (samples or math.ceil(tall / 2)), (samples or math.ceil(wide / 3))
            found = []
            for i, j in np.ndindex(n, m):
                at = (low_y + (a + (i + 0.5) / n) * tall / 2, low_x + (b + (j + 0.5) / m) * wide / 3)
                if any(v < -1 or v > s for v, s in zip(at, x.shape[2:], strict=True)):
                    found += [0.0] * 4
                    continue
                at = [min(max(v, 0), s - 1) for v, s in zip(at, x.shape[2:], strict=True)]
                for p in (math.floor(at[0]), math.floor(at[0]) + 1):
                    for q in (math.floor(at[1]), math.floor(at[1]) + 1):
                        weight = _triangle(p - at[0], 0) * _triangle(q - at[1], 0)
                        plane = x[images[r], c]
                        found.append(weight * plane[min(p, plane.shape[0] - 1), min(q, plane.shape[1] - 1)])
            y[r, c, a, b] = sum(found) / (n * m) if mode == "avg" else max(found)
        return y

    return oracle


BOXES = np.array(
    [
        [
            [0, 0, 1, 1],
            [0, 0.1, 1, 1.1],
            [0, -0.1, 1, 0.9],
            [0, 10, 1, 11],
            [1, 11.1, 0, 10.1],
            [0, 100, 1, 101],
        ]
    ],
    "float32",
)
SCORES = np.array([[[0.9, 0.75, 0.6, 0.95, 0.5, 0.3]]], "float32")
CASES = [
    *(
        Case("image.resize", [X], lambda x, a=attrs: _resized(x, **a), attrs, True, tolerance=1e-4)
        for attrs in RESIZES
    ),
    Case(
        "image.resize",
        [array(1, 1, 5)],
        lambda x: _resized(x, size=(9,), method="cubic"),
        {"size": 9, "method": "cubic"},
        True,
        tolerance=1e-4,
    ),
    Case(
        "image.resize",
        [array(1, 1, 2, 3, 2)],
        lambda x: _resized(x, size=(4, 3, 3), method="linear"),
        {"size": (4, 3, 3), "method": "linear"},
    ),
    Case(
        "image.resize",
        [array(1, 1, 3, 3, dtype="uint8", high=200)],
        lambda x: x.repeat(2, 2).repeat(2, 3),
        {"size": (6, 6)},
    ),
    Case("nn.upsampling", [X], lambda x: x.repeat(2, 2).repeat(3, 3), {"scale_h": 2.0, "scale_w": 3.0}, True),
    Case(
        "nn.upsampling",
        [array(1, 3, 2, 2)],
        lambda x: _resized(x, size=(6, 4), axes=(1, 2), method="linear", coordinate="align_corners"),
        {"scale_h": 2.0, "scale_w": 2.0, "method": "linear", "align_corners": True, "layout": "NHWC"},
        True,
    ),
    *(
        Case(
            "image.grid_sample",
            [X, GRID],
            lambda x, g, m=m, p=p, a=a: _sampled(x, g, m, p, a),
            {"method": m, "padding_mode": p, "align_corners": a},
            tolerance=1e-4,
        )
        for m in ("nearest", "linear", "cubic")
        for p in ("zeros", "border", "reflection")
        for a in (False, True)
    ),
    *(
        Case(
            "image.affine_grid",
            [THETA],
            _affine((2, 1, 3, 4), a),
            {"size": (2, 1, 3, 4), "align_corners": a},
            True,
        )
        for a in (False, True)
    ),
    *(
        Case(
            "vision.roi_align",
            [PAIR, ROIS, IMAGES],
            _aligned(mode, half, samples),
            {
                "pooled_size": (2, 3),
                "spatial_scale": 0.8,
                "mode": mode,
                "sampling_ratio": samples,
                "coordinate": "half_pixel" if half else "output_half_pixel",
            },
            tolerance=1e-4,
        )
        for mode, half, samples in (("avg", True, 2), ("avg", False, 0), ("max", True, 2))
    ),
    Case(
        "vision.roi_pool",
        [array(1, 1, 4, 4), np.array([[0, 0, 0, 3, 3], [0, 2, 1, 3, 2]], "float32")],
        lambda x, r: np.array(
            [
                [[[x[0, 0, i : i + 2, j : j + 2].max() for j in (0, 2)] for i in (0, 2)]],
                [[[x[0, 0, i, j] for j in (2, 3)] for i in (1, 2)]],
            ],
            x.dtype,
        ),
        {"pooled_size": (2, 2)},
    ),
    Case(
        "vision.non_max_suppression",
        [BOXES, SCORES],
        np.array([[0, 0, 3], [0, 0, 0], [0, 0, 5]]),
        {"max_output_boxes_per_class": 3, "iou_threshold": 0.5, "score_threshold": 0.0},
        static=False,
    ),
    Case(
        "vision.non_max_suppression",
        [BOXES, SCORES],
        np.array([[0, 0, 3], [0, 0, 0]]),
        {"max_output_boxes_per_class": 9, "iou_threshold": 0.5, "score_threshold": 0.4},
        static=False,
    ),
]


class TestImages(checks(CASES)):
    """Each case by the checks of all rows."""


def test_unknown_dimensions_stay_unknown() -> None:
    call = op("image.resize")(X, size=(8, 8))
    assert result_type(call.function, call.attrs, [TensorType((ANY, 2, 4, 5))]) == TensorType((ANY, 2, 8, 8))


@pytest.mark.parametrize(
    ("name", "shapes", "attrs", "text"),
    [
        ("image.resize", [(1, 2, 4, 5)], {"size": (8,)}, "need as many sizes and scales"),
        ("image.resize", [(1, 2, 4, 5)], {"size": (8, 0)}, "is not positive"),
        ("image.resize", [(1, 2, 4, 5)], {"size": (8, 8), "roi": (0.0,)}, "roi has 1 numbers; 4"),
        ("image.grid_sample", [(1, 2, 4, 5), (1, 3, 3, 3)], {}, r"a grid \(N, ..., 2\)"),
        ("vision.roi_pool", [(1, 2, 4, 5), (3, 4)], {"pooled_size": (1, 1)}, r"rois \(count, 5\)"),
    ],
)
def test_refused(name: str, shapes, attrs, text: str) -> None:
    call = op(name)(*(np.zeros(s, "float32") for s in shapes), **attrs)
    with pytest.raises(ValueError, match=text):
        result_type(call.function, call.attrs, [TensorType(s) for s in shapes])
