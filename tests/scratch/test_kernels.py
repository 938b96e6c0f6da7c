"""cnncourse.scratch.kernels against SciPy's filters, drawn edges, and arithmetic left visible."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncourse import scratch
from cnncourse.scratch import KERNELS, cross_correlate, directional, edge_map

FAMILIES = ["prewitt", "sobel", "scharr"]
ORIENTATIONS = ["vertical", "diagonal", "horizontal", "antidiagonal"]


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# The kernels by name -------------------------------------------------------------------------------------------


def test_the_six_common_kernels():
    written = {
        "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        "horizontal edge": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
        "vertical edge": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
        "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
        "box blur": [[1 / 9] * 3] * 3,
        "gaussian blur": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    }
    assert list(KERNELS)[:6] == list(written)
    for name, kernel in written.items():
        assert KERNELS[name].tolist() == kernel


def test_every_kernel_is_3x3_in_float64_and_has_a_name_of_its_own():
    directions = [f"{family} {orientation}" for family in FAMILIES for orientation in ORIENTATIONS]
    assert list(KERNELS)[6:] == ["laplacian", *directions]
    for kernel in KERNELS.values():
        assert kernel.shape == (3, 3)
        assert kernel.dtype == np.float64


def test_blurs_keep_the_brightness_and_differences_have_none():
    image = np.full((5, 5), 200, dtype=np.uint8)
    for name, kernel in KERNELS.items():
        kept = name in ("identity", "sharpen", "box blur", "gaussian blur")
        np.testing.assert_allclose(
            cross_correlate(image, kernel), np.full((3, 3), 200 if kept else 0), atol=1e-12
        )


def test_what_the_kernels_do_equals_scipy():
    image = noise(0, 9, 11).astype(float)
    np.testing.assert_allclose(
        cross_correlate(image, KERNELS["box blur"]), scipy.ndimage.uniform_filter(image, 3)[1:-1, 1:-1]
    )
    np.testing.assert_allclose(
        cross_correlate(image, KERNELS["laplacian"]), scipy.ndimage.laplace(image)[1:-1, 1:-1]
    )
    np.testing.assert_array_equal(cross_correlate(image, KERNELS["identity"]), image[1:-1, 1:-1])
    for family, theirs in (("prewitt", scipy.ndimage.prewitt), ("sobel", scipy.ndimage.sobel)):
        for orientation, axis in (("vertical", 1), ("horizontal", 0)):
            answer = cross_correlate(image, KERNELS[f"{family} {orientation}"])
            np.testing.assert_array_equal(answer, theirs(image, axis=axis)[1:-1, 1:-1])


def test_the_edge_kernels_are_prewitts():
    assert KERNELS["vertical edge"].tolist() == KERNELS["prewitt vertical"].tolist()
    assert KERNELS["horizontal edge"].tolist() == KERNELS["prewitt horizontal"].tolist()


def test_nobody_changes_a_kernel_by_accident():
    for kernel in KERNELS.values():
        with pytest.raises(ValueError, match="read-only"):
            kernel[1, 1] = 7
    with pytest.raises(TypeError, match="item assignment"):
        KERNELS["mine"] = np.ones((3, 3))
    mine = directional("sobel")["vertical"]
    mine[:] = 0  # a copy is the caller's own
    assert KERNELS["sobel vertical"].any()
    assert directional("sobel")["vertical"].any()


# Four directions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "side", "middle"), [("prewitt", 1, 1), ("sobel", 1, 2), ("scharr", 3, 10)], ids=FAMILIES
)
def test_a_family_has_its_weights(family, side, middle):
    four = directional(family)
    assert list(four) == ORIENTATIONS
    assert four["horizontal"].tolist() == [[-side, -middle, -side], [0, 0, 0], [side, middle, side]]
    assert four["vertical"].tolist() == four["horizontal"].T.tolist()
    assert four["diagonal"].tolist() == [[0, side, middle], [-side, 0, side], [-middle, -side, 0]]
    assert four["antidiagonal"].tolist() == np.fliplr(four["diagonal"]).tolist()
    for orientation, kernel in four.items():
        assert kernel.tolist() == KERNELS[f"{family} {orientation}"].tolist()


# Bright where the kernel of that name is positive: at the right, upper right, below, upper left.
BRIGHT = {
    "vertical": lambda row, column: column > 0,
    "diagonal": lambda row, column: column > row,
    "horizontal": lambda row, column: row > 0,
    "antidiagonal": lambda row, column: row + column < 0,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("edge", ORIENTATIONS)
def test_a_kernel_answers_to_its_own_edge_most_and_to_the_one_across_not_at_all(family, edge):
    row, column = np.mgrid[-1:2, -1:2]
    window = BRIGHT[edge](row, column).astype(float)
    answers = {name: cross_correlate(window, kernel).item() for name, kernel in directional(family).items()}
    across = ORIENTATIONS[(ORIENTATIONS.index(edge) + 2) % 4]
    assert answers[across] == 0
    assert answers[edge] > 0
    others = [abs(answer) for name, answer in answers.items() if name not in (edge, across)]
    assert answers[edge] > max(others)


# One map of all edges ------------------------------------------------------------------------------------------


def test_a_dot_becomes_a_ring_with_a_dark_center():
    dot = np.zeros((5, 5))
    dot[2, 2] = 1
    ring = [[0, 0, 0, 0, 0], [0, 3, 3, 3, 0], [0, 3, 0, 3, 0], [0, 3, 3, 3, 0], [0, 0, 0, 0, 0]]
    assert edge_map(dot).tolist() == ring
    assert edge_map(dot, "prewitt", "sum").tolist() == ring
    # The pixel right of the dot sees it at its left; the one below and right of it, at its upper left.
    left, corner = (
        [abs(kernel[place]) for kernel in directional("prewitt").values()] for place in [(1, 0), (0, 0)]
    )
    assert sum(left) == 1 + 1 + 0 + 1 == 3
    assert sum(corner) == 1 + 0 + 1 + 1 == 3
    # At the dot itself every kernel has a zero.
    assert [kernel[1, 1] for kernel in directional("prewitt").values()] == [0, 0, 0, 0]


@pytest.mark.parametrize(("family", "at_each_neighbor"), [("sobel", 1 + 1 + 2), ("scharr", 3 + 3 + 10)])
def test_the_ring_of_the_other_families_is_as_even(family, at_each_neighbor):
    dot = np.zeros((3, 3))
    dot[1, 1] = 1
    ring = np.full((3, 3), at_each_neighbor)
    ring[1, 1] = 0
    np.testing.assert_array_equal(edge_map(dot, family), ring)


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 7), st.integers(1, 7)), st.sampled_from(FAMILIES), st.integers(0, 99))
def test_an_edge_map_equals_scipys_filters_combined(size, family, seed):
    image = noise(seed, *size)
    before = image.copy()
    answers = np.array(
        [
            scipy.ndimage.correlate(image.astype(float), kernel, mode="nearest")
            for kernel in directional(family).values()
        ]
    )
    expected = {
        "sum": np.abs(answers).sum(axis=0),
        "max": np.abs(answers).max(axis=0),
        "norm": np.sqrt(answers[0] ** 2 + answers[2] ** 2),
    }
    for combine, strength in expected.items():
        result = edge_map(image, family, combine)
        np.testing.assert_allclose(result, strength, rtol=1e-12, atol=1e-9, strict=True)
    np.testing.assert_array_equal(image, before)


def test_the_border_makes_no_edge():
    bright = np.full((4, 6), 255, dtype=np.uint8)
    for family in FAMILIES:
        for combine in ("sum", "max", "norm"):
            np.testing.assert_array_equal(edge_map(bright, family, combine), np.zeros((4, 6)))
    # With zeros around the image there are edges all along the border that are not in the picture.
    false = cross_correlate(bright, KERNELS["horizontal edge"], padding=1)
    assert false[0].tolist() == [2 * 255, *[3 * 255] * 4, 2 * 255]


def test_only_the_norm_is_fair_to_every_direction():
    row, column = np.mgrid[-1:2, -1:2]
    turns = np.deg2rad(np.arange(0, 360, 2.5))
    ramps = [np.cos(turn) * column + np.sin(turn) * row for turn in turns]
    unfairness = {}
    for combine in ("sum", "max", "norm"):
        centers = [edge_map(ramp, "prewitt", combine)[1, 1] for ramp in ramps]
        unfairness[combine] = max(centers) / min(centers)
    assert unfairness["norm"] == pytest.approx(1, abs=1e-12)
    assert unfairness["sum"] == pytest.approx(1.09, abs=0.01)
    assert unfairness["max"] == pytest.approx(1.12, abs=0.01)


# Errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: directional("roberts"), ValueError, "one of prewitt, sobel, scharr, got 'roberts'"),
        (lambda: directional(3), TypeError, "family must be one of prewitt, .* got 3 of type int"),
        (lambda: edge_map(np.ones((3, 3)), "canny"), ValueError, "family must be one of .* got 'canny'"),
        (lambda: edge_map(np.ones((3, 3)), combine="mean"), ValueError, "combine must be one of sum, max, norm"),
        (lambda: edge_map(np.ones((3, 3, 3))), ValueError, r"image must have shape \(H, W\), .* shape \(3, 3, 3\)"),
        (lambda: edge_map(np.ones((0, 3))), ValueError, r"image must have pixels, got shape \(0, 3\)"),
        (lambda: edge_map(np.ones((3, 3)) > 0), TypeError, "image must be an array of real numbers, got dtype bool"),
        (lambda: edge_map(None), TypeError, "image must be an array of real numbers, got None"),
    ],
)  # fmt: skip
def test_an_error_names_the_argument_and_the_value(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_folder_offers_them():
    assert {"KERNELS", "directional", "edge_map"} <= set(scratch.__all__)
