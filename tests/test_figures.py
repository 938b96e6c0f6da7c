"""Figures hold what they were given: values, colors, labels and sizes are read back from the Axes."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle

matplotlib.use("agg")

from cnncourse import figures
from cnncourse.figures import PALETTE, SIGNED

IMAGE = np.array([[1, 2, 3, 0, 1], [0, 1, 2, 3, 0], [0, 0, 1, 2, 3], [1, 0, 0, 1, 2], [2, 1, 0, 0, 1]])
KERNEL = np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1]])


@pytest.fixture(autouse=True)
def clean_pyplot():
    with matplotlib.rc_context():
        figures.use_style()
        yield
    plt.close("all")


def texts(axis):
    return [text.get_text() for text in axis.texts]


def shown(axis):
    """What a picture's Axes shows as RGB, pixel by pixel."""
    artist = axis.images[0]
    return artist.to_rgba(artist.get_array())[..., :3]


def drawn_over(figure):
    """Pairs of texts whose boxes overlap once the figure is drawn."""
    figure.canvas.draw()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axis in figure.axes
        for text in [axis.title, *axis.texts, *axis.get_xticklabels(), *axis.get_yticklabels()]
        if text.get_text() and text.get_visible()
    ]
    boxes += [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    return [(a[0], b[0]) for a, b in pairs if a[1].shrunk(0.98, 0.9).overlaps(b[1].shrunk(0.98, 0.9))]


# Colors --------------------------------------------------------------------------------------------------------


def test_the_palette_is_the_published_one():
    # Wong 2011, figure 2: blue 0 114 178, vermillion 213 94 0, bluish green 0 158 115, orange 230 159 0, ...
    published = {
        "blue": (0, 114, 178),
        "vermillion": (213, 94, 0),
        "green": (0, 158, 115),
        "orange": (230, 159, 0),
    }
    published |= {"sky": (86, 180, 233), "purple": (204, 121, 167)}
    for name, rgb in published.items():
        assert tuple(round(255 * channel) for channel in to_rgb(PALETTE[name])) == rgb


def test_signed_colors_are_vermillion_below_white_at_and_blue_above_zero():
    assert to_hex(SIGNED(0.0)) == PALETTE["vermillion"]
    assert to_hex(SIGNED(1.0)) == PALETTE["blue"]
    np.testing.assert_allclose(SIGNED(0.5)[:3], 1, atol=0.01)


def test_text_stands_out_from_every_color_it_can_lie_on():
    # WCAG's own examples: black on white 21:1, #767676 on white 4.54:1.
    assert figures._contrast("black", "white") == pytest.approx(21)
    assert figures._contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
    for colormap in (SIGNED, plt.get_cmap("gray")):
        for value in np.linspace(0, 1, 101):
            color = colormap(value)
            assert figures._contrast(figures._readable(color), color) >= 4.5


def test_gray_ink_and_line_colors_stand_out_from_the_white_card():
    assert figures._contrast(PALETTE["ink"], "white") >= 7
    assert figures._contrast(PALETTE["gray"], "white") >= 4.5


# Style ---------------------------------------------------------------------------------------------------------


def test_style_sets_a_white_card_palette_colors_and_letters_of_nine_pixels():
    figure, axis = plt.subplots()
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.get_size_inches()[0] * figure.dpi == pytest.approx(720)
    assert axis.plot([0, 1])[0].get_color() == PALETTE["blue"]
    letters = ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "legend.fontsize")
    assert min(plt.rcParams[key] for key in letters) / 72 * figure.dpi >= 9


def test_the_font_comes_with_matplotlib():
    from matplotlib.font_manager import findfont

    assert findfont(plt.rcParams["font.family"][0], fallback_to_default=False).startswith(
        matplotlib.get_data_path()
    )


def test_figures_need_neither_torch_nor_a_notebook():
    code = (
        "import sys; from cnncourse import figures; figures.use_style(); import numpy as np;"
        "figures.show_images([np.eye(3)]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def notebook_outputs(code):
    """The outputs of one cell, run in a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    return notebook.cells[0].outputs


def test_in_a_notebook_a_figure_is_the_only_output_720_px_wide_at_double_resolution():
    (output,) = notebook_outputs(
        "from cnncourse import figures; figures.use_style(); import numpy as np\nfigures.show_images([np.eye(4)] * 3);"
    )
    assert output.metadata["image/png"]["width"] == 720
    import base64

    png = base64.b64decode(output.data["image/png"])
    assert int.from_bytes(png[16:20], "big") == 1440


def test_glue_writes_the_record_that_myst_nb_writes():
    pytest.importorskip("myst_nb")
    mine, theirs = notebook_outputs(
        "from cnncourse.figures import glue\nfrom myst_nb import glue as reference\n"
        "glue('speed', 1.5); reference('speed', 1.5, display=False)"
    )
    assert mine.data == theirs.data == {"application/papermill.record/text/plain": "1.5"}
    assert mine.metadata == theirs.metadata


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
    with pytest.raises(ValueError, match="scale needs limits"):
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
    figures.direction_colors(image, image)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (([],), ValueError, "images must hold at least one"),
        (([np.ones(3)],), ValueError, r"images\[0\] must be an array of 2 or 3 dimensions"),
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
        ({"columns": 0}, "columns must be a whole number from 1, got 0"),
        ({"columns": 1.5}, "columns must be a whole number from 1, got 1.5"),
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


def test_filters_stand_above_the_pictures_they_make():
    pictures = [np.ones((10, 12)), -np.ones((10, 12))]
    figure = figures.show_filters([KERNEL, KERNEL.T], pictures, ["rows", "columns"], signed=True)
    *kernels, first, second = figure.axes
    assert [axis.get_title() for axis in kernels] == ["rows", "columns"]
    assert texts(kernels[1]) == ["−1", "0", "1"] * 3
    np.testing.assert_array_equal(second.images[0].get_array(), pictures[1])
    for kernel, picture in zip(kernels, (first, second), strict=True):
        above, below = kernel.get_position(), picture.get_position()
        assert above.y0 > below.y1
        assert above.width < below.width
        assert above.x0 + above.x1 == pytest.approx(below.x0 + below.x1)
    assert drawn_over(figure) == []
    with pytest.raises(ValueError, match="outputs must have one picture for each of the 2 kernels, got 1"):
        figures.show_filters([KERNEL, KERNEL], [np.eye(4)])


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


# Rows, directions, curves --------------------------------------------------------------------------------------


def test_a_row_shows_its_pixels_and_their_differences_even_of_bytes():
    image = np.zeros((6, 8), np.uint8)
    image[2] = [0, 0, 9, 9, 4, 4, 4, 4]
    photograph, strip, bars = figures.show_row(image, 2, (1, 7)).axes
    assert texts(strip) == ["0", "9", "9", "4", "4", "4"]
    assert [bar.get_height() for bar in bars.patches] == [9, 0, -5, 0, 0]  # 4 − 9 wraps to 251 in bytes
    assert to_hex(bars.patches[0].get_facecolor()) == PALETTE["blue"]
    assert to_hex(bars.patches[2].get_facecolor()) == PALETTE["vermillion"]
    assert texts(bars) == ["9", "−5"]
    assert (
        photograph.patches[0].get_y() < 2 < photograph.patches[0].get_y() + photograph.patches[0].get_height()
    )


@pytest.mark.parametrize(("row", "columns"), [(6, (0, 4)), (0, (4, 4)), (0, (3, 9)), (-1, (0, 4))])
def test_a_row_outside_the_image_is_refused(row, columns):
    with pytest.raises(ValueError, match="must lie inside the image"):
        figures.show_row(np.zeros((6, 8)), row, columns)


def test_each_direction_has_its_palette_color_and_no_edge_is_white():
    right, diagonal, down, other = (1, 0), (1, 1), (0, 1), (-1, 1)
    x, y = np.array([[*right, *diagonal], [*down, *other]]).reshape(4, 2).T.astype(float)
    colors = figures.direction_colors(x[None], y[None], strength=0.1)[0]
    assert [to_hex(color) for color in colors] == [PALETTE[n] for n in ("blue", "green", "orange", "purple")]
    opposite = figures.direction_colors(-x[None], -y[None], strength=0.1)[0]
    np.testing.assert_allclose(opposite, colors, atol=1e-9)
    np.testing.assert_array_equal(
        figures.direction_colors(np.zeros((2, 2)), np.zeros((2, 2))), np.ones((2, 2, 3))
    )


def test_gradients_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 2\) and \(3, 3\)"):
        figures.direction_colors(np.eye(2), np.eye(3))


def test_curves_are_named_at_their_ends_in_their_own_colors_without_touching():
    x = np.linspace(0, 1, 5)
    figure = figures.plot_lines(x, {"one": x, "two": x + 0.01, "three": -x}, xlabel="time", ylabel="value")
    (axis,) = figure.axes
    assert [line.get_ydata()[-1] for line in axis.lines] == [1, 1.01, -1]
    assert texts(axis) == ["one", "two", "three"]
    assert [text.get_color() for text in axis.texts] == [line.get_color() for line in axis.lines]
    assert axis.get_xlabel() == "time" and axis.get_legend() is None
    assert drawn_over(figure) == []


def test_few_values_are_marked_and_whole_positions_keep_whole_ticks():
    axis = figures.plot_lines(np.arange(4), {"few": np.arange(4.0)}).axes[0]
    assert axis.lines[0].get_marker() == "o"
    assert all(tick == round(tick) for tick in axis.get_xticks())
    many = figures.plot_lines(np.linspace(0, 1, 99), {"many": np.zeros(99)}).axes[0]
    assert many.lines[0].get_marker() == "None"


def test_curves_of_another_length_and_no_curves_are_refused():
    with pytest.raises(ValueError, match=r"curves\['a'\] must have 3 values, one for each x, got 2"):
        figures.plot_lines([0, 1, 2], {"a": [1, 2]})
    with pytest.raises(ValueError, match="curves must be a dict"):
        figures.plot_lines([0, 1, 2], [[1, 2, 3]])
    with pytest.raises(ValueError, match="name must be a text"):
        figures.glue("", 1)


# Planes --------------------------------------------------------------------------------------------------------

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def test_regions_are_colored_by_the_sign_of_the_score():
    figure = figures.show_regions(lambda p: p[:, 0] - 0.5, CORNERS, [0, 0, 1, 1], ["right half"])
    (axis,) = figure.axes
    assert axis.get_title() == "right half"
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    for at, name in (((-0.3, 0.5), "vermillion"), ((1.3, 0.5), "blue")):
        column, row = axis.transData.transform(at)
        seen = pixels[pixels.shape[0] - 1 - int(row), int(column)]
        tint = 255 * (1 - 0.3 * (1 - np.array(to_rgb(PALETTE[name]))))
        np.testing.assert_allclose(seen, tint, atol=2)


def test_the_border_lies_where_the_score_is_zero():
    figure = figures.show_regions(lambda p: p[:, 0] + p[:, 1] - 1.5, CORNERS, [0, 0, 0, 1])
    border = figure.axes[0].collections[1].get_paths()[0].vertices
    np.testing.assert_allclose(border.sum(axis=1), 1.5, atol=1e-6)


def test_points_of_both_labels_are_drawn_apart_and_the_marked_one_is_ringed():
    figure = figures.show_regions(None, CORNERS, [0, 1, 1, 0], mark=[2])
    squares, disks, ring = (each.get_offsets() for each in figure.axes[0].collections)
    np.testing.assert_array_equal(squares, [[0, 0], [1, 1]])
    np.testing.assert_array_equal(disks, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(ring, [[1, 0]])


def test_each_panel_may_have_its_own_points_and_labels_and_a_row_its_number_of_columns():
    panels = {"a": None, "b": lambda p: np.ones(len(p)), "c": None}
    points = [CORNERS, CORNERS[:3], CORNERS]
    figure = figures.show_regions(
        panels.values(), points, [[0, 0, 0, 1], [1, 1, 1], [0] * 4], panels, columns=2
    )
    assert [axis.get_title() for axis in figure.axes[:3]] == ["a", "b", "c"]
    assert len(figure.axes[1].collections[-1].get_offsets()) == 3
    assert not figure.axes[3].axison
    assert drawn_over(figure) == []


@pytest.mark.parametrize(
    "change, words",
    [
        ({"labels": [0, 1, 2, 0]}, r"points must be \(N, 2\) with a label 0 or 1 for each"),
        (
            {"labels": [0, 1]},
            r"points must be \(N, 2\) with a label 0 or 1 for each, got \(4, 2\) and \(2,\)",
        ),
        ({"labels": [[0, 0, 0, 1]] * 2}, "labels must be given once, or for each of the 1 panels, got 2"),
        ({"limits": (1, 0)}, r"limits must be \(low, high\) with low < high, got \(1, 0\)"),
        ({"scores": lambda p: p}, "scores must give one number for each point, got shape"),
        ({"mark": [0, 1]}, "mark must have one entry for each of the 1"),
    ],
)
def test_regions_say_what_does_not_fit(change, words):
    fits = {"scores": None, "points": CORNERS, "labels": [0, 0, 0, 1]}
    with pytest.raises(ValueError, match=words):
        figures.show_regions(**fits | change)


# What a network says ---------------------------------------------------------------------------------------------

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 5, 5]])


def test_a_confusion_matrix_writes_its_counts_with_rows_true_and_columns_said():
    figure = figures.show_confusion(COUNTS, ["coat", "shirt", "bag"], mark=(2, 1))
    (axis,) = figure.axes
    found = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axis.texts
        if text.get_text().strip()
    }
    assert found == {(0, 0): "8", (0, 1): "2", (1, 0): "1", (1, 1): "9", (2, 1): "5", (2, 2): "5"}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["coat", "shirt", "bag"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["coat", "shirt", "bag"]
    assert "was" in axis.get_ylabel() and "said" in axis.get_xlabel()
    frame = next(patch for patch in axis.patches if isinstance(patch, Rectangle))
    assert frame.get_xy() == (0.5, 1.5)


def test_right_answers_are_blue_mistakes_vermillion_and_empty_cells_white():
    colors = shown(figures.show_confusion(COUNTS, list("abc")).axes[0])
    assert colors[0, 0, 2] > colors[0, 0, 0] and colors[2, 1, 0] > colors[2, 1, 2]
    np.testing.assert_allclose(colors[0, 2], 1, atol=0.01)
    assert colors[2, 1].sum() < colors[0, 1].sum() < colors[1, 0].sum()  # 5, 2 and 1 of ten: paler and paler
    assert colors[1, 1].sum() < colors[2, 2].sum()


@pytest.mark.parametrize(
    "matrix, names, words",
    [
        (COUNTS[:2], "abc", "square"),
        (COUNTS / 2, ["a", "b", "c"], "counts"),
        (-COUNTS, ["a", "b", "c"], "counts"),
        (COUNTS, ["a", "b"], "one entry for each of the 3 classes"),
        (COUNTS, "abc", "one entry for each of the 3 classes"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, names, words):
    with pytest.raises(ValueError, match=words):
        figures.show_confusion(matrix, names)


def test_heat_tints_a_picture_without_hiding_it():
    image, heat = np.array([[0, 255], [0, 255]], np.uint8), np.array([[0, 0], [1, 1]])
    picture = figures.heat_over(image, heat)
    assert picture.shape == (2, 2, 3) and 0 <= picture.min() <= picture.max() <= 1
    assert np.ptp(picture[0], axis=1).max() == 0  # no heat: gray
    assert (picture[1, :, 0] > picture[1, :, 2] + 0.2).all()  # heat: red above blue
    assert (picture[:, 1] > picture[:, 0]).any(axis=1).all()  # what was brighter stays brighter


@pytest.mark.parametrize(
    "heat, words", [(np.zeros((3, 2)), "shape of the image"), (np.full((2, 2), 2), "0…1")]
)
def test_heat_of_another_size_or_range_is_refused(heat, words):
    with pytest.raises(ValueError, match=words):
        figures.heat_over(np.zeros((2, 2)), heat)


# Descents ------------------------------------------------------------------------------------------------------


def valley(window=((-2, 2), (-1, 1))):
    """x² + y², the lowest point 3 units above sea."""
    return SimpleNamespace(
        value=lambda point: 3 + (point**2).sum(-1), minima=((0.0, 0.0),), minimum_value=3.0, window=window
    )


def test_a_path_runs_over_the_contours_from_its_ring_to_its_marker():
    path = np.array([[1.5, 0.5], [0.5, 0.2], [0.1, 0.0]])
    (axis,) = figures.show_paths(valley(), {"SGD": path, "Adam": path / 2}).axes
    lines = {line.get_label(): line for line in axis.lines}
    assert (
        np.array_equal(lines["SGD"].get_xydata(), path)
        and to_hex(lines["SGD"].get_color()) == PALETTE["blue"]
    )
    assert to_hex(lines["Adam"].get_color()) == PALETTE["vermillion"]
    single = [line.get_xydata().tolist() for line in axis.lines if len(line.get_xydata()) == 1]
    assert single == [[[0.0, 0.0]], [[0.1, 0.0]], [[1.5, 0.5]], [[0.05, 0.0]], [[0.75, 0.25]]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["SGD", "Adam"]
    assert axis.get_xlim() == (-2, 2) and axis.get_ylim() == (-1, 1) and axis.get_aspect() == 1


def test_contours_are_half_a_decade_apart_above_the_minimum():
    (axis,) = figures.show_paths(valley(), {"SGD": np.zeros((1, 2))}, legend=False).axes
    highest = np.log10(2**2 + 1**2)  # at the corners
    for drawn in axis.collections:
        assert np.allclose(drawn.levels[-10:], highest - np.arange(9, -1, -1) / 2)
    assert axis.get_legend() is None


def test_paths_are_drawn_in_a_given_window_and_axes():
    _, ax = plt.subplots()
    window = ((0, 1), (0, 3))
    assert figures.show_paths(valley(), {"a": np.zeros((2, 2))}, window=window, title="t", ax=ax) is ax
    assert ax.get_xlim() == (0, 1) and ax.get_ylim() == (0, 3) and ax.get_title() == "t"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"paths": {}}, "paths must be a dict of name → points that is not empty, got dict"),
        (
            {"paths": {"a": np.zeros((4, 3))}},
            r"paths\['a'\] must be \(k \+ 1, 2\), x and y, got shape \(4, 3\)",
        ),
        ({"paths": {"a": np.full((2, 2), np.nan)}}, r"paths\['a'\] must be finite, got 4 values"),
        ({"window": ((1, 0), (0, 1))}, r"window must be .* with x0 < x1 and y0 < y1, got \(\(1, 0\)"),
    ],
)
def test_paths_say_what_does_not_fit(change, words):
    with pytest.raises(ValueError, match=words):
        figures.show_paths(valley(), **{"paths": {"a": np.zeros((2, 2))}, **change})
