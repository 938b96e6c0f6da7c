"""Curves and paths hold what they were given: values, colors and names are read back from the Axes."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import drawn_over, texts
from matplotlib.colors import to_hex

from cnncourse import figures
from cnncourse.figures import PALETTE


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
    with pytest.raises(TypeError, match="curves must be a dict of name → values, got "):
        figures.plot_lines([0, 1, 2], [[1, 2, 3]])


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
        ({"paths": {}}, "paths must be a dict of name → points that is not empty, got an empty one"),
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
