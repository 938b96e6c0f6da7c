"""One palette and one style sheet for every figure of the course.

The palette is Okabe and Ito's, made to stay distinguishable in all common forms of color blindness
(Wong, "Points of view: Color blindness", Nature Methods 8, 2011). Pages and explorers use the same values.
"""

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

PALETTE = {
    "ink": "#1f2933",
    "gray": "#6b7785",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "orange": "#e69f00",
    "purple": "#cc79a7",
    "sky": "#56b4e9",
}

# Signed values everywhere in the course: vermillion below zero, white at zero, blue above.
SIGNED = LinearSegmentedColormap.from_list("signed", [PALETTE["vermillion"], "#ffffff", PALETTE["blue"]])

# The order in which curves take their colors: neighbors differ in lightness too, for gray printers.
CYCLE = [PALETTE[name] for name in ("blue", "vermillion", "green", "orange", "purple", "sky", "ink")]

FRAME = "#d5dae0"  # the light line around pictures and cells
COLUMN = 7.2  # inches: the text column, 720 px at 100 dots an inch

STYLE = {
    "figure.figsize": (COLUMN, 3.0),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "text.color": PALETTE["ink"],
    "axes.titlesize": 9.5,
    "axes.titlepad": 5,
    "axes.labelsize": 9,
    "axes.labelcolor": PALETTE["ink"],
    "axes.edgecolor": PALETTE["gray"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": PALETTE["gray"],
    "ytick.color": PALETTE["gray"],
    "xtick.labelcolor": PALETTE["ink"],
    "ytick.labelcolor": PALETTE["ink"],
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "image.cmap": "gray",
}


def use_style():
    """Apply the course's style to all figures made from now on; in a notebook, draw them at twice the resolution."""
    plt.rcParams.update(STYLE)

    # Outside a notebook there is nothing more to set. Inside one, keep the exact width: no cropping to the ink.
    from IPython import get_ipython

    if hasattr(get_ipython(), "kernel"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina", bbox_inches=None)


def glue(name, value):
    """Store a value in the notebook, unseen, so that its text can quote it as {glue:text}`name`.

    Writes the same record as `myst_nb.glue(name, value, display=False)`, without needing it installed.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"name must be a text that is not empty, got {name!r}")
    from IPython.display import display

    prefix = "application/papermill.record/"
    record = {"name": name, "mime_prefix": prefix}
    display({prefix + "text/plain": repr(value)}, raw=True, metadata={"scrapbook": record})
