"""The palette is the published one, the style makes pages of one look, and text stands out from its ground."""

import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from cnncourse import figures
from cnncourse.figures import PALETTE, SIGNED, pictures

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
    assert pictures._contrast("black", "white") == pytest.approx(21)
    assert pictures._contrast("#767676", "white") == pytest.approx(4.54, abs=0.01)
    for colormap in (SIGNED, plt.get_cmap("gray")):
        for value in np.linspace(0, 1, 101):
            color = colormap(value)
            assert pictures._contrast(pictures._readable(color), color) >= 4.5


def test_gray_ink_and_line_colors_stand_out_from_the_white_card():
    assert pictures._contrast(PALETTE["ink"], "white") >= 7
    assert pictures._contrast(PALETTE["gray"], "white") >= 4.5


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


@pytest.mark.parametrize("name", ["", None, 3])
def test_glue_needs_a_name(name):
    with pytest.raises(ValueError, match="name must be a text that is not empty, got "):
        figures.glue(name, 1)
