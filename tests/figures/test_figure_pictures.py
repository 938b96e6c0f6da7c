"""Figures hold what they were given: values, colors, labels and sizes are read back from the Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import drawn_over, shown, texts
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle

from cnncourse import figures
from cnncourse.figures import PALETTE

IMAGE = np.array([[1, 2, 3, 0, 1], [0, 1, 2, 3, 0], [0, 0, 1, 2, 3], [1, 0, 0, 1, 2], [2, 1, 0, 0, 1]])
KERNEL = np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1]])


# Pictures ------------------------------------------------------------------------------------------------------


def test_signed_pictures_are_white_at_zero_and_vermillion_below():
    figure = figures.show_images([np.array([[-2.0, 0.0, 1.0]])], signed=True)
    below, zero, above = shown(figure.axes[0])[0]
    np.testing.assert_allclose(below, to_rgb(PALETTE["vermillion"]), atol=0.01)
    np.testing.assert_allclose(zero, (1, 1, 1), atol=0.01)
    # Half of the largest absolute value: half the way from white to blue.
    np.testing.assert_allclose(above, (1 + np.array(to_rgb(PALETTE["blue"]))) / 2, atol=0.01)


def test_bytes_are_drawn_from_0_to_255_and_other_numbers_from_their_extremes():
    figure = figures.show_images([np.array([[51]], np.uint8), np.array([[10.0, 20.0]])])
    assert shown(figure.axes[0])[0, 0] == pytest.approx([51 / 255] * 3, abs=0.003)
    assert shown(figure.axes[1])[0] == pytest.approx(np.array([[0] * 3, [1] * 3]))


def test_shared_limits_make_equal_values_equal_colors():
    figure = figures.show_images([np.array([[0.0, 1.0]]), np.array([[1.0, 4.0]])], limits="shared")
    first, second = (shown(axis)[0] for axis in figure.axes)
    assert first[1] == pytest.approx(second[0])
    assert figure.axes[0].images[0].norm.vmax == 4


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
@pytest.mark.parametrize("signed", [False, True])
def test_shared_limits_of_pictures_that_are_all_the_same(value, signed):
    figure = figures.show_images([np.full((2, 2), value)] * 2, limits="shared", signed=signed)
    first, second = (shown(axis) for axis in figure.axes)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(
        first, shown(figures.show_images([np.full((2, 2), value)], signed=signed).axes[0])
    )


def test_color_pictures_are_shown_as_they_are():
    color = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(figures.show_images([color]).axes[0].images[0].get_array(), color)


def test_a_grid_has_rows_titles_and_no_dead_space():
    images = [np.ones((2, 3))] * 5
    figure = figures.show_images(images, list("ABCDE"), columns=3)
    figure.canvas.draw()
    assert [axis.get_title() for axis in figure.axes] == list("ABCDE")
    tops = [axis.get_position().y1 for axis in figure.axes]
    assert tops == pytest.approx([tops[0]] * 3 + [tops[3]] * 2) and tops[0] > tops[3]
    # The pictures fill their boxes, and the boxes fill the width.
    for axis in figure.axes:
        box = axis.get_window_extent()
        assert box.height / box.width == pytest.approx(2 / 3, rel=0.01)
    assert figure.axes[2].get_position().x1 > 0.99
    assert drawn_over(figure) == []


def test_one_array_counts_as_one_picture_and_an_ax_is_used_and_returned():
    figure, axis = plt.subplots()
    assert figures.show_images(np.eye(3), "eye", ax=axis) is axis
    assert axis.get_title() == "eye" and len(figure.axes) == 1
    assert plt.get_fignums() == [figure.number]


def test_a_scale_is_drawn_for_shared_limits_only():
    figure = figures.show_images([np.eye(3)] * 2, signed=True, limits=(-3, 3), scale="degrees")
    assert figure.axes[-1].get_xlabel() == "degrees"
    assert figure.axes[-1].get_xlim() == (-3, 3)
    figure.canvas.draw()
    assert figure.axes[-1].xaxis.label.get_window_extent().y0 >= 0
    assert figure.axes[-1].get_position().y1 < figure.axes[0].get_position().y0
    with pytest.raises(ValueError, match="scale must be left out unless limits"):
        figures.show_images([np.eye(3)], scale="degrees")


def test_enlarged_pixels_stay_sharp_and_shrunk_ones_are_averaged():
    small, large = figures.show_images([np.zeros((30, 40)), np.zeros((3000, 4000))]).axes
    assert small.images[0].get_interpolation() == "nearest"
    assert large.images[0].get_interpolation() == "auto"


def test_the_arguments_stay_as_they_are():
    image = np.arange(9.0).reshape(3, 3)
    image.flags.writeable = False
    figures.show_images([image])
    figures.show_matrix(image)
    figures.convolution_panels(image, image, np.array([[204.0]]))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (([],), ValueError, "images must hold at least one"),
        (
            ([np.ones(3)],),
            ValueError,
            r"images\[0\] must have shape \(H, W\) or \(H, W, 3\), got 1 dimensions",
        ),
        (([np.ones((2, 2, 4))],), ValueError, r"\(H, W\) or \(H, W, 3\)"),
        (([np.ones((2, 2, 3)) * 7],), ValueError, "uint8 or lie in 0…1"),
        (([[["a"]]],), TypeError, "array of real numbers"),
        (([np.array([[1j]])],), TypeError, "array of real numbers"),
        (([[[1, 2], [3]]],), TypeError, "array of real numbers"),
        (([np.full((2, 2), np.nan)],), ValueError, "must be finite, got 4"),
        (([np.eye(2)], ["a", "b"]), ValueError, "titles must have one entry for each of the 1"),
    ],
)
def test_pictures_that_cannot_be_drawn_are_refused(arguments, kind, words):
    with pytest.raises(kind, match=words):
        figures.show_images(*arguments)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": 0}, "columns must be at least 1, got 0"),
        ({"limits": (2, 2)}, r"low < high, got \(2, 2\)"),
        ({"limits": "all"}, "limits must be .* got 'all'"),
        ({"signed": [True, False]}, "signed must have one entry"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        figures.show_images([np.eye(2)], **options)


def test_an_ax_for_each_picture_is_needed():
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="ax must hold one Axes for each of the 3"):
        figures.show_images([np.eye(2)] * 3, ax=axes)


# Kernels and convolutions --------------------------------------------------------------------------------------


def test_a_kernel_shows_its_weights_as_a_person_writes_them():
    figure = figures.show_kernel([[1 / 9, -1, 0], [1 / 16, 0.126, -0.75], [5, 1e-3, 1 / 8]], title="weights")
    assert texts(figure.axes[0]) == ["1/9", "−1", "0", "1/16", "0.13", "−3/4", "5", "0.00", "1/8"]
    assert figure.axes[0].get_title() == "weights"


def test_a_weight_lies_on_the_color_of_its_sign():
    colors = shown(figures.show_kernel(KERNEL).axes[0])
    red, _, blue = 0, 1, 2
    assert (colors[0, :, red] > colors[0, :, blue]).all()  # −1: vermillion
    np.testing.assert_allclose(colors[1], 1, atol=0.01)  # 0: white
    assert (colors[2, :, blue] > colors[2, :, red]).all()  # 1: blue


def test_many_digits_shrink_to_fit_their_cells_but_stay_ten_pixels_high():
    figure = figures.show_kernels([np.full((3, 3), -0.123), KERNEL] * 3, columns=6)
    sizes = [text.get_fontsize() for axis in figure.axes for text in axis.texts]
    assert min(sizes) / 72 * 100 >= 10
    assert max(sizes) == 9
    assert drawn_over(figure) == []


def test_a_matrix_takes_a_format_and_frames_a_cell():
    axis = figures.show_matrix(np.array([[1.0, 2.5]]), fmt=".1f", mark=(0, 1)).axes[0]
    assert texts(axis) == ["1.0", "2.5"]
    (frame,) = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (0.5, -0.5, 1, 1)
    assert to_hex(frame.get_edgecolor()) == PALETTE["orange"]


def test_convolution_panels_show_all_numbers_and_the_window_that_makes_one():
    output = np.arange(25).reshape(5, 5)
    figure = figures.convolution_panels(IMAGE, KERNEL, output, window=(2, 1), padding=1)
    image, kernel, result = figure.axes
    assert sorted(texts(image)) == sorted(map(str, np.pad(IMAGE, 1).ravel()))
    assert texts(kernel) == ["−1"] * 3 + ["0"] * 3 + ["1"] * 3
    assert texts(result) == list(map(str, range(25)))
    # Output (2, 1) at padding 1 sees rows 1…3 and columns 0…2 of the image.
    window = next(patch for patch in image.patches if patch.get_width() == 3)
    assert (window.get_x(), window.get_y(), window.get_height()) == (-0.5, 0.5, 3)
    assert (result.patches[0].get_x(), result.patches[0].get_y()) == (0.5, 1.5)
    assert drawn_over(figure) == []


def test_the_window_moves_by_the_stride():
    figure = figures.convolution_panels(IMAGE, KERNEL, np.zeros((2, 2)), window=(1, 1), stride=2)
    window = next(patch for patch in figure.axes[0].patches if patch.get_width() == 3)
    assert (window.get_x(), window.get_y()) == (1.5, 1.5)


def test_convolution_panels_of_a_photograph_write_no_numbers_in_it():
    figure = figures.convolution_panels(np.ones((20, 30)), KERNEL, np.zeros((18, 28)))
    assert texts(figure.axes[0]) == texts(figure.axes[2]) == []
    np.testing.assert_allclose(shown(figure.axes[2]), 1, atol=0.01)


def test_an_output_of_the_wrong_shape_or_a_window_outside_is_refused():
    with pytest.raises(ValueError, match=r"output must have shape \(3, 3\) .* got \(5, 5\)"):
        figures.convolution_panels(IMAGE, KERNEL, IMAGE)
    with pytest.raises(ValueError, match=r"window must be .* inside the output \(3, 3\), got \(3, 0\)"):
        figures.convolution_panels(IMAGE, KERNEL, np.zeros((3, 3)), window=(3, 0))


def test_heat_tints_a_picture_without_hiding_it():
    image, heat = np.array([[0, 255], [0, 255]], np.uint8), np.array([[0, 0], [1, 1]])
    picture = figures.heat_over(image, heat)
    assert picture.shape == (2, 2, 3) and 0 <= picture.min() <= picture.max() <= 1
    assert np.ptp(picture[0], axis=1).max() == 0  # no heat: gray
    assert (picture[1, :, 0] > picture[1, :, 2] + 0.2).all()  # heat: red above blue
    assert (picture[:, 1] > picture[:, 0]).any(axis=1).all()  # what was brighter stays brighter


@pytest.mark.parametrize(
    "heat, words", [(np.zeros((3, 2)), "heat must have the shape of the image"), (np.full((2, 2), 2), "0…1")]
)
def test_heat_of_another_size_or_range_is_refused(heat, words):
    with pytest.raises(ValueError, match=words):
        figures.heat_over(np.zeros((2, 2)), heat)
