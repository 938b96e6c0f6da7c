"""Arrays in, matplotlib Axes out: one palette and one style sheet for every figure of the course.

The palette is Okabe and Ito's, made to stay distinguishable in all common forms of color blindness
(Wong, "Points of view: Color blindness", Nature Methods 8, 2011). Pages and explorers use the same values.

Every figure is made for a text column of 720 px: `COLUMN` inches wide at 100 dots an inch, letters of
8.5 points and more. Functions return the Figure or, when they are given an `ax`, that Axes; none calls `plt.show`.
In a notebook, end the cell with `;` so that the figure is its only output.
"""

from fractions import Fraction
from itertools import cycle, pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

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

# Heights of a landscape, low to high.
_HEIGHTS = LinearSegmentedColormap.from_list("heights", ["#ffffff", "#a9bccd"])

# The order in which curves take their colors: neighbors differ in lightness too, for gray printers.
CYCLE = [PALETTE[name] for name in ("blue", "vermillion", "green", "orange", "purple", "sky", "ink")]

FRAME = "#d5dae0"  # the light line around pictures and cells
COLUMN = 7.2  # inches: the text column, 720 px at 100 dots an inch
GAP = 0.09  # inches between the panels of a grid
MARGIN = 0.03  # inches around a grid, so that frames are not cut

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


# Pictures ------------------------------------------------------------------------------------------------------


def show_images(
    images, titles=None, *, columns=None, signed=False, limits=None, scale=None, width=COLUMN, ax=None
):
    """Pictures side by side, (H, W) in gray or signed colors, (H, W, 3) as they are.

    titles    one for each picture
    columns   pictures in a row; all in one row if left out
    signed    True: vermillion below zero, white at zero, blue above; or one truth value for each picture
    limits    the values drawn at the two ends of the scale: (low, high), or "shared" for the extremes over all
              pictures; if left out, each picture has its own extremes (uint8: 0 and 255). Signed pictures
              stay white at zero: the larger absolute limit counts on both sides
    scale     a label: draws one color scale below, which needs limits that all pictures share
    ax        the Axes to draw in instead of a new figure (one for each picture)
    """
    images = [_picture(image, f"images[{i}]") for i, image in enumerate(_many(images, "images", 2))]
    count = len(images)
    titles = _one_each(titles, count, "titles")
    signed = [bool(signed)] * count if np.ndim(signed) == 0 else _one_each(signed, count, "signed")
    norms = [
        _norm(image, *each) for image, *each in zip(images, signed, _limits(images, limits), strict=True)
    ]
    if scale is not None and (limits is None or len(set(signed)) > 1):
        raise ValueError("scale needs limits=(low, high) or limits='shared', and pictures all of one kind")

    figure, axes = _grid(images, titles, columns, width, ax, foot=0.6 if scale else 0)
    for axis, image, title, sign, norm in zip(axes, images, titles, signed, norms, strict=True):
        artist = _draw(axis, image, cmap=SIGNED if sign else "gray", norm=norm)
        _frame(axis)
        if title is not None:
            axis.set_title(title)
    if scale is not None:
        bar = figure.add_axes([0.3, 0.42 / figure.get_figheight(), 0.4, 0.11 / figure.get_figheight()])
        figure.colorbar(artist, cax=bar, orientation="horizontal", label=scale)
        bar.spines[:].set_visible(False)
    return figure if ax is None else ax


def show_matrix(values, title=None, *, signed=False, fmt=None, limits=None, mark=None, width=None, ax=None):
    """A small matrix as colored cells with its numbers written in them.

    signed   True: vermillion below zero, white at zero, blue above; False: gray, darker for larger values
    fmt      how a number is written: a format such as ".2f" or a function; short fractions if left out
    limits   (low, high) of the color scale; the matrix's own if left out
    mark     (row, column) or (row, column, height, width) of cells to frame
    """
    values = _numbers(values, "values", 2)
    width = 0.42 * values.shape[1] if width is None else width
    figure, (axis,) = _grid([values], [title], 1, width, ax)
    _cells(axis, values, signed=signed, fmt=fmt, limits=limits, mark=mark)
    if title is not None:
        axis.set_title(title)
    return figure if ax is None else axis


def show_kernel(kernel, ax=None, *, title=None, width=None):
    """A kernel as signed cells with its weights written in them: 1/9 stays 1/9."""
    return show_matrix(kernel, title, signed=True, width=width or (1.6 if ax is None else None), ax=ax)


def show_kernels(kernels, titles=None, *, columns=None, width=COLUMN):
    """Kernels side by side, each as by `show_kernel`."""
    kernels = [_numbers(kernel, f"kernels[{i}]", 2) for i, kernel in enumerate(_many(kernels, "kernels", 2))]
    titles = _one_each(titles, len(kernels), "titles")
    figure, axes = _grid(kernels, titles, columns, width, None, gap=0.3)
    for axis, kernel, title in zip(axes, kernels, titles, strict=True):
        show_kernel(kernel, axis, title=title)
    return figure


def show_filters(kernels, outputs, titles=None, *, signed=False, limits=None, width=COLUMN):
    """Kernels in a row with their weights, and below each the picture it makes.

    signed, limits   how the pictures are drawn, as in `show_images`
    """
    kernels = [_numbers(kernel, f"kernels[{i}]", 2) for i, kernel in enumerate(_many(kernels, "kernels", 2))]
    outputs = [_picture(output, f"outputs[{i}]") for i, output in enumerate(_many(outputs, "outputs", 2))]
    count = len(kernels)
    if len(outputs) != count:
        raise ValueError(f"outputs must have one picture for each of the {count} kernels, got {len(outputs)}")
    titles = _one_each(titles, count, "titles")
    figure, axes = _grid(
        [*kernels, *outputs], [*titles, *[None] * count], count, width, None, fill=[0.7] * count + [1] * count
    )
    for axis, kernel, title in zip(axes, kernels, titles, strict=False):
        show_kernel(kernel, axis, title=title)
    show_images(outputs, signed=signed, limits=limits, ax=axes[count:])
    return figure


def convolution_panels(image, kernel, output, *, window=None, stride=1, padding=0, width=COLUMN):
    """Image ⋆ kernel = output, side by side. Up to 12 × 12 the numbers are written, and padding is drawn as zeros.

    window   (row, column) of an output: its window in the image and the cell it fills are framed
    """
    image, kernel, output = (
        _numbers(a, name, 2) for a, name in ((image, "image"), (kernel, "kernel"), (output, "output"))
    )
    expected = tuple(
        (size + 2 * padding - k) // stride + 1 for size, k in zip(image.shape, kernel.shape, strict=True)
    )
    if output.shape != expected:
        raise ValueError(f"output must have shape {expected} for this image and kernel, got {output.shape}")
    if window is not None and not all(0 <= at < size for at, size in zip(window, expected, strict=True)):
        raise ValueError(f"window must be (row, column) inside the output {expected}, got {window}")

    # Small images show their numbers and the ring of zeros around them; a photograph is shown as it is.
    small = max(image.shape) <= 12
    padding = padding if small else 0
    figure, axes = _grid(
        [np.pad(image, padding), kernel, output], ["", "", ""], 3, width, None, gap=0.42, shares=(1, 0.55, 1)
    )
    if small:
        corner = None if window is None else np.array(window) * stride - padding
        _cells(
            axes[0],
            image,
            limits=(image.min() - 0.6 * np.ptp(image), image.max()),
            mark=None if window is None else (*corner, *kernel.shape),
        )
        _zeros_around(axes[0], image.shape, padding)
        _cells(axes[2], output, signed=True, mark=window)
    else:
        _draw(axes[0], image, cmap="gray", norm=_norm(image, False, None))
        _draw(axes[2], output, cmap=SIGNED, norm=_norm(output, True, None))
        _frame(axes[0])
        _frame(axes[2])
    show_kernel(kernel, axes[1])
    for axis, title in zip(
        axes, ("image, zeros around it" if padding else "image", "kernel", "output"), strict=True
    ):
        axis.set_title(title)
    for left, right, sign in ((axes[0], axes[1], "⋆"), (axes[1], axes[2], "=")):
        middle = (left.get_position().x1 + right.get_position().x0) / 2
        height = (axes[1].get_position().y0 + axes[1].get_position().y1) / 2
        figure.text(middle, height, sign, ha="center", va="center", fontsize=20)
    return figure


def show_row(image, row, columns, *, width=COLUMN):
    """Where a row of pixels lies in a photograph, its values, and the difference of each two neighbors.

    image    (H, W) gray values;   row   its index;   columns   (first, last + 1)
    """
    image = _numbers(image, "image", 2)
    first, stop = columns
    if not (0 <= row < image.shape[0] and 0 <= first < stop - 1 < image.shape[1]):
        raise ValueError(
            f"row and columns must lie inside the image {image.shape}, got row {row}, columns {columns}"
        )
    values = image[row, first:stop].astype(float)
    difference = np.diff(values)

    figure = plt.figure(figsize=(width, 2.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 2.1), height_ratios=(0.42, 1))
    photograph = figure.add_subplot(grid[:, 0])
    _draw(photograph, image, cmap="gray", norm=_norm(image, False, None))
    photograph.add_patch(
        Rectangle((first - 1.5, row - 2.5), stop - first + 2, 5, fill=False, ec=PALETTE["orange"], lw=1.8)
    )
    _frame(photograph)
    photograph.set_title(f"{image.shape[0]} × {image.shape[1]} pixels")

    strip = figure.add_subplot(grid[0, 1])
    _cells(strip, values[None], limits=_norm_limits(image), aspect="auto")
    strip.set_title(f"row {row}, pixels {first} to {stop - 1}")

    bars = figure.add_subplot(grid[1, 1], sharex=strip)
    colors = np.where(difference < 0, PALETTE["vermillion"], PALETTE["blue"])
    bars.bar(np.arange(len(difference)) + 0.5, difference, width=0.7, color=colors)
    for i, value in enumerate(difference):
        if value:
            place = dict(va="bottom" if value > 0 else "top", ha="center", fontsize=8.5)
            bars.annotate(
                _number(value),
                (i + 0.5, value),
                (0, 2 if value > 0 else -2),
                textcoords="offset points",
                **place,
            )
    bars.axhline(0, color=PALETTE["gray"], lw=0.8)
    bars.margins(y=0.16)
    bars.set(xticks=[], yticks=[], title="each pixel minus its left neighbor", xlim=(-0.5, len(values) - 0.5))
    bars.spines[:].set_visible(False)
    return figure


def direction_colors(gradient_x, gradient_y, *, strength=None):
    """Edges as an RGB picture: the color says which way an edge runs, its depth how strong it is. White: no edge.

    Blue runs north–south, green along ╱, orange east–west, purple along ╲; a quarter turn apart in the color wheel.
    gradient_x, gradient_y   responses of the same shape: brighter to the right, brighter downwards
    strength                 what counts as full color; the 99th percentile of the magnitude if left out
    """
    gradient_x = _numbers(gradient_x, "gradient_x", 2)
    gradient_y = _numbers(gradient_y, "gradient_y", 2)
    if gradient_x.shape != gradient_y.shape:
        raise ValueError(
            f"gradient_x and gradient_y must have one shape, got {gradient_x.shape} and {gradient_y.shape}"
        )
    magnitude = np.hypot(gradient_x, gradient_y)
    strength = float(np.percentile(magnitude, 99) if strength is None else strength)
    depth = np.clip(magnitude / strength, 0, 1) if strength > 0 else magnitude

    # The gradient crosses the edge: pointing right (0°) or left (180°), it belongs to an edge that runs upright.
    turn = np.arctan2(gradient_y, gradient_x) / np.pi * 4 % 4
    wheel = np.array([to_rgb(PALETTE[name]) for name in ("blue", "green", "orange", "purple", "blue")])
    color = np.stack([np.interp(turn, np.arange(5), channel) for channel in wheel.T], axis=-1)
    return 1 - depth[..., None] * (1 - color)


def show_confusion(matrix, names, *, mark=None, width=6.4, ax=None):
    """A confusion matrix: rows are the true classes, columns what was said. Right answers blue, mistakes vermillion.

    matrix   (K, K) counts;   names   of the K classes
    mark     (row, column) or (row, column, height, width) of cells to frame
    Depth is the share of the row, mistakes shown against the largest of them; cells without images stay empty.
    """
    matrix = _numbers(matrix, "matrix", 2)
    size = len(matrix)
    if matrix.shape != (size, size) or not np.issubdtype(matrix.dtype, np.integer) or (matrix < 0).any():
        raise ValueError(
            f"matrix must be square and hold counts, got shape {matrix.shape} of {matrix.dtype}, "
            f"smallest value {matrix.min()}"
        )
    if isinstance(names, str) or len(names := list(names)) != size:
        raise ValueError(f"names must have one entry for each of the {size} classes, got {names!r}")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(size, dtype=bool), 0, shares)
    signed = np.where(np.eye(size, dtype=bool), shares, -mistakes / (mistakes.max() or 1))

    figure, axis = plt.subplots(figsize=(width, width), layout="constrained") if ax is None else (None, ax)
    _cells(axis, signed, signed=True, fmt=lambda share: " ", limits=(-1.6, 1.6), mark=mark)
    colors = SIGNED(_norm(signed, True, (-1.6, 1.6))(signed))
    for (true, said), count in np.ndenumerate(matrix):
        if count:
            look = dict(color=_readable(colors[true, said]), ha="center", va="center", fontsize=9)
            axis.text(said, true, str(count), **look)
    axis.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(size), names)
    axis.tick_params(length=0)
    axis.set(xlabel="what the network said", ylabel="what it was")
    return figure if ax is None else axis


def heat_over(image, heat):
    """A heat map over a gray picture, as RGB: the picture in pale gray, vermillion where the heat is.

    image   (H, W) gray values;   heat   (H, W) from 0, nothing, to 1, full color
    """
    image, heat = _numbers(image, "image", 2), _numbers(heat, "heat", 2)
    if image.shape != heat.shape:
        raise ValueError(f"heat must have the shape of the image, {image.shape}, got {heat.shape}")
    if not 0 <= heat.min() <= heat.max() <= 1:
        raise ValueError(f"heat must lie in 0…1, got {heat.min():.3g}…{heat.max():.3g}")
    low, high = _norm_limits(image)
    gray = (image.astype(float) - low)[..., None] / ((high - low) or 1)
    color = np.array(to_rgb(PALETTE["vermillion"]))
    heat = 0.75 * heat[..., None]
    return (1 - heat) * (0.3 + 0.7 * gray) + heat * color * (0.7 + 0.3 * gray)


# Curves --------------------------------------------------------------------------------------------------------


def plot_lines(x, curves, *, xlabel=None, ylabel=None, title=None, width=COLUMN, height=2.6, ax=None):
    """Curves over one axis, each named at its right end in its own color instead of in a legend.

    x        positions, shared by all curves
    curves   name → values
    """
    x = _numbers(x, "x", 1)
    if not isinstance(curves, dict) or not curves:
        raise ValueError(
            f"curves must be a dict of name → values that is not empty, got {type(curves).__name__}"
        )
    curves = {name: _numbers(values, f"curves[{name!r}]", 1) for name, values in curves.items()}
    for name, values in curves.items():
        if len(values) != len(x):
            raise ValueError(f"curves[{name!r}] must have {len(x)} values, one for each x, got {len(values)}")
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained") if ax is None else (None, ax)
    points = "o" if len(x) <= 25 else None  # few values are shown as such
    lines = [axis.plot(x, values, label=name, marker=points, ms=4)[0] for name, values in curves.items()]
    if np.issubdtype(x.dtype, np.integer):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if title is not None:
        axis.set_title(title)
    _name_at_the_end(axis, lines)
    return figure if ax is None else axis


def _name_at_the_end(axis, lines):
    """Write each curve's name beside its last point, moved apart where names would touch."""
    low, high = axis.get_ylim()
    ends = [axis.transScale.transform((1, line.get_ydata()[-1]))[1] for line in lines]
    bottom, top = axis.transScale.transform((1, low))[1], axis.transScale.transform((1, high))[1]
    room = 0.155 / axis.get_figure().get_figheight() / axis.get_position().height  # a line of text, in axes
    places = np.clip((np.array(ends) - bottom) / (top - bottom), 0, 1)
    order = np.argsort(places, kind="stable")
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + room)
    places -= max(0, places.max() - 1)
    for line, place in zip(lines, places, strict=True):
        axis.annotate(
            line.get_label(), (1, place), (4, 0), xycoords="axes fraction", textcoords="offset points",
            va="center", color=line.get_color(), fontsize=9,
        )  # fmt: skip


# Planes --------------------------------------------------------------------------------------------------------


def show_regions(
    scores, points, labels, titles=None, *, limits=(-0.5, 1.5), mark=None, axes=("$x_1$", "$x_2$"),
    columns=None, width=COLUMN, ax=None,
):  # fmt: skip
    """What each point of a plane is taken for: blue where its score is above 0, vermillion elsewhere.

    scores   a function (N, 2) → (N,), or one for each panel; None draws the points alone
    points   (N, 2);   labels   0 (vermillion squares) or 1 (blue disks) for each; or one of both for each panel
    limits   (low, high) of both axes
    mark     for each panel the index of a point to ring, or None
    axes     the names of the two axes
    ax       the Axes to draw in instead of a new figure (one for each panel)
    """
    scores = [scores] if scores is None or callable(scores) else list(scores)
    count = len(scores)
    points, labels = (
        [np.asarray(each) for each in (values if np.ndim(values[0]) == depth else [values] * count)]
        for values, depth in ((list(points), 2), (list(labels), 1))
    )
    for name, values in (("points", points), ("labels", labels)):
        if len(values) != count:
            raise ValueError(
                f"{name} must be given once, or for each of the {count} panels, got {len(values)}"
            )
    marks = [None] * count if mark is None else _one_each(mark, count, "mark")
    titles = _one_each(titles, count, "titles")
    for at, kinds in zip(points, labels, strict=True):
        if at.shape != (len(kinds), 2) or not np.isin(kinds, (0, 1)).all():
            raise ValueError(
                f"points must be (N, 2) with a label 0 or 1 for each, got {at.shape} and {kinds.shape} labels"
            )
    low, high = limits
    if not low < high:
        raise ValueError(f"limits must be (low, high) with low < high, got ({low}, {high})")

    columns = min(columns or count, count)
    rows = -(-count // columns)
    if ax is None:
        lines = max((title.count("\n") + 1 for title in titles if title), default=0)
        beside, around = (0.5, 0.45) if any(axes) else (0.3, 0.25)  # ticks and names, in inches
        size = (width, rows * (width / columns - beside + around + 0.18 * lines))
        figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
        panels = grid.ravel()
        for empty in panels[count:]:
            empty.set_axis_off()
    else:
        panels = np.ravel(ax)
        if len(panels) != count:
            raise ValueError(f"ax must hold one Axes for each of the {count} panels, got {len(panels)}")
    for axis, score, at, kinds, ring, title in zip(
        panels, scores, points, labels, marks, titles, strict=False
    ):
        _region(axis, score, low, high)
        _two_kinds(axis, at, kinds, ring)
        ticks = MaxNLocator(3, integer=True).tick_values(low, high)
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        axis.set(xticks=ticks, yticks=ticks, aspect="equal", xlabel=axes[0], ylabel=axes[1])
        axis.set(xlim=limits, ylim=limits, title=title or "")
        axis.spines[:].set(visible=True, color=FRAME)
    return figure if ax is None else ax


def _region(axis, score, low, high):
    """The half where the score is above 0 in light blue, the other in light vermillion, the border in ink."""
    if score is None:
        return
    side = np.linspace(low, high, 401)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    values = np.asarray(score(plane), dtype=float)
    if values.shape != (len(plane),):
        raise ValueError(f"scores must give one number for each point, got shape {values.shape}")
    values = values.reshape(len(side), len(side))
    tints = [tuple(1 - 0.3 * (1 - np.array(to_rgb(PALETTE[name])))) for name in ("vermillion", "blue")]
    axis.contourf(side, side, values > 0, levels=(-0.5, 0.5, 1.5), colors=tints)
    if values.min() <= 0 < values.max():
        axis.contour(side, side, values, levels=(0,), colors=PALETTE["ink"], linewidths=1.4)


def _two_kinds(axis, points, labels, ring):
    """Points of label 1 as blue disks, of label 0 as white squares in vermillion; small ones where there are many."""
    size = 70 if len(points) <= 12 else 14
    for label, look in (
        (0, dict(marker="s", facecolor="white", edgecolor=PALETTE["vermillion"], linewidth=size**0.5 / 5)),
        (1, dict(marker="o", facecolor=PALETTE["blue"], edgecolor="white", linewidth=size**0.5 / 10)),
    ):
        chosen = points[labels == label]
        axis.scatter(chosen[:, 0], chosen[:, 1], s=size, zorder=3, clip_on=False, **look)
    if ring is not None:
        axis.scatter(
            *points[ring], s=4 * size, zorder=4, facecolor="none", edgecolor=PALETTE["ink"], linewidth=1.4
        )


def show_paths(surface, paths, *, window=None, title=None, legend=True, width=4.6, ax=None):
    """The contours of a surface, half a decade apart above its minimum, and the paths of descents over them.

    surface   has `value` (…, 2) → (…), `minima`, `minimum_value` and `window`, as in `scratch.SURFACES`
    paths     name → (k + 1, 2); a ring marks where a path starts, a marker where it ends, a cross each minimum
    window    ((x0, x1), (y0, y1)), the part to draw; None: the surface's own
    legend    names the paths in a box; False where another panel names the same colors
    """
    if not isinstance(paths, dict) or not paths:
        raise ValueError(
            f"paths must be a dict of name → points that is not empty, got {type(paths).__name__}"
        )
    paths = {name: _numbers(path, f"paths[{name!r}]", 2) for name, path in paths.items()}
    for name, path in paths.items():
        if path.shape[1] != 2:
            raise ValueError(f"paths[{name!r}] must be (k + 1, 2), x and y, got shape {path.shape}")
    (x0, x1), (y0, y1) = surface.window if window is None else window
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"window must be ((x0, x1), (y0, y1)) with x0 < x1 and y0 < y1, got {window!r}")
    height = (width - 0.6) * (y1 - y0) / (x1 - x0) + 0.55
    figure, axis = plt.subplots(figsize=(width, height), layout="constrained") if ax is None else (None, ax)

    x, y = np.linspace(x0, x1, 301), np.linspace(y0, y1, 301)
    above = surface.value(np.stack(np.meshgrid(x, y), axis=-1)) - surface.minimum_value
    top = np.log10(above.max())
    levels = np.linspace(top - 4.5, top, 10)
    axis.contourf(x, y, np.log10(np.maximum(above, 1e-30)), levels, cmap=_HEIGHTS, extend="min")
    axis.contour(x, y, np.log10(np.maximum(above, 1e-30)), levels, colors="#8b9dae", linewidths=0.5)
    axis.plot(*np.transpose(surface.minima), "P", color="white", mec=PALETTE["ink"], ms=8, ls="", zorder=4)

    for (name, path), color, marker in zip(paths.items(), cycle(CYCLE), cycle("os^DvX*"), strict=False):
        axis.plot(*path.T, color="white", lw=3, alpha=0.6)
        axis.plot(*path.T, color=color, lw=1.5, label=name)
        axis.plot(*path[-1], marker, color=color, mec="white", ms=7, zorder=5)
        axis.plot(*path[0], "o", color="white", mec=PALETTE["ink"], mew=1.4, ms=7, zorder=6)
    axis.set(xlim=(x0, x1), ylim=(y0, y1), xlabel="$x$", ylabel="$y$", aspect="equal")
    if title is not None:
        axis.set_title(title)
    if legend:
        axis.legend(frameon=True, framealpha=0.85, edgecolor=FRAME)
    return figure if ax is None else axis


# Parts ---------------------------------------------------------------------------------------------------------


def _numbers(values, name, dimensions):
    """The argument as an array of finite real numbers with that many dimensions (or one of several counts)."""
    try:
        array = np.asarray(values)
        real = (
            array.dtype == bool
            or np.issubdtype(array.dtype, np.integer)
            or np.issubdtype(array.dtype, np.floating)
        )
    except ValueError:
        real = False
    if not real:
        raise TypeError(f"{name} must be an array of real numbers, got {type(values).__name__}")
    if array.ndim not in np.atleast_1d(dimensions) or array.size == 0:
        wanted = " or ".join(map(str, np.atleast_1d(dimensions)))
        raise ValueError(
            f"{name} must be an array of {wanted} dimensions with values in it, got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got {np.count_nonzero(~np.isfinite(array))} values that are not"
        )
    return array.astype(float) if array.dtype == bool else array


def _picture(image, name):
    """(H, W) of any numbers, or (H, W, 3) that matplotlib shows without clipping."""
    image = _numbers(image, name, (2, 3))
    if image.ndim == 3 and image.shape[2] != 3:
        raise ValueError(f"{name} must be (H, W) or (H, W, 3), got shape {image.shape}")
    if image.ndim == 3 and image.dtype != np.uint8 and not 0 <= image.min() <= image.max() <= 1:
        raise ValueError(
            f"{name} in color must be uint8 or lie in 0…1, got {image.min():.3g}…{image.max():.3g}"
        )
    return image


def _many(values, name, dimensions):
    """A list of arrays; a single array counts as a list of one."""
    if isinstance(values, np.ndarray) and values.ndim == dimensions:
        return [values]
    values = list(values)
    if not values:
        raise ValueError(f"{name} must hold at least one array, got none")
    return values


def _one_each(values, count, name):
    if values is None:
        return [None] * count
    values = [values] if isinstance(values, str) else list(values)
    if len(values) != count:
        raise ValueError(f"{name} must have one entry for each of the {count} pictures, got {len(values)}")
    return values


def _norm_limits(image):
    return (0, 255) if image.dtype == np.uint8 else (float(image.min()), float(image.max()))


def _limits(images, limits):
    """The limits of each picture."""
    if limits is None:
        return [None] * len(images)
    if isinstance(limits, str):
        if limits != "shared":
            raise ValueError(f"limits must be (low, high), 'shared' or None, got {limits!r}")
        each = [_norm_limits(image) for image in images]
        limits = min(low for low, _ in each), max(high for _, high in each)
    low, high = limits
    if not low < high:
        raise ValueError(f"limits must be (low, high) with low < high, got ({low}, {high})")
    return [(low, high)] * len(images)


def _norm(image, signed, limits):
    low, high = limits or _norm_limits(image)
    if signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    return Normalize(low, high if high > low else low + 1)


def _grid(images, titles, columns, width, ax, *, foot=0, gap=GAP, shares=None, fill=None):
    """Axes for pictures in rows, with exactly the room they need: (figure, axes).

    shares   the columns' widths in proportion;   fill   the part of its column's width that each picture takes
    """
    count = len(images)
    if ax is not None:
        axes = [ax] if hasattr(ax, "imshow") else list(np.ravel(ax))
        if len(axes) != count:
            raise ValueError(f"ax must hold one Axes for each of the {count} pictures, got {len(axes)}")
        return axes[0].get_figure(), axes
    columns = count if columns is None else columns
    if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
        raise ValueError(f"columns must be a whole number from 1, got {columns!r}")
    columns = min(columns, count)

    # Widths come from the column, heights from the pictures' shapes and the lines of their titles.
    shares = np.array(shares or [1] * columns, float)
    widths = shares / shares.sum() * (width - 2 * MARGIN - gap * (columns - 1))
    rows = [range(start, min(start + columns, count)) for start in range(0, count, columns)]
    wide = [widths[i % columns] * (fill[i] if fill else 1) for i in range(count)]
    heights = [[wide[i] * images[i].shape[0] / images[i].shape[1] for i in row] for row in rows]
    heads = [
        max((0 if titles[i] is None else 0.1 + 0.16 * (1 + titles[i].count("\n"))) for i in row)
        for row in rows
    ]
    total = sum(map(max, heights)) + sum(heads) + gap * (len(rows) - 1) + 2 * MARGIN + foot
    figure = plt.figure(figsize=(width, total), layout="none")
    axes, top = [], total - MARGIN
    for row, tall, head in zip(rows, heights, heads, strict=True):
        top -= head
        for i, height in zip(row, tall, strict=True):
            left = (
                MARGIN
                + widths[: i % columns].sum()
                + gap * (i % columns)
                + (widths[i % columns] - wide[i]) / 2
            )
            bottom = top - (max(tall) + height) / 2
            axes.append(figure.add_axes([left / width, bottom / total, wide[i] / width, height / total]))
        top -= max(tall) + gap
    return figure, axes


def _draw(axis, image, **options):
    """imshow that keeps pixels square and sharp where they are enlarged, and averages them where they are not."""
    pixels = axis.get_position().width * axis.get_figure().get_figwidth() * 2 * STYLE["figure.dpi"]
    return axis.imshow(image, interpolation="nearest" if image.shape[1] <= pixels else "auto", **options)


def _frame(axis):
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=FRAME, linewidth=0.8)


def _cells(axis, values, *, signed=False, fmt=None, limits=None, mark=None, aspect="equal"):
    """Colored cells with their numbers. Signed colors stop short of full depth, so that ink reads on all of them."""
    norm = _norm(values, signed, limits)
    if signed and limits is None:
        norm = Normalize(1.6 * norm.vmin, 1.6 * norm.vmax)
    colormap = SIGNED if signed else plt.get_cmap("gray")
    axis.imshow(values, cmap=colormap, norm=norm, aspect=aspect)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    rows, columns = values.shape
    lines = dict(color=FRAME, lw=0.8, clip_on=False)
    axis.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, **lines)
    axis.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, **lines)
    texts = [[_number(value, fmt) for value in line] for line in values]
    size = _text_size(axis, columns, max(len(text) for line in texts for text in line))
    for (i, j), value in np.ndenumerate(values):
        color = _readable(colormap(norm(value)))
        axis.text(j, i, texts[i][j], ha="center", va="center", color=color, fontsize=size)
    if mark is not None:
        row, column, height, width = (*mark, 1, 1)[:4]
        axis.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                width,
                height,
                fill=False,
                ec=PALETTE["orange"],
                lw=2.4,
                clip_on=False,
                zorder=3,
            )
        )


def _text_size(axis, columns, letters):
    """9 points, or less where the longest number would not fit its cell; never under 7.2 points (10 px)."""
    inches = axis.get_position().width * axis.get_figure().get_figwidth() / columns
    return float(np.clip(0.86 * 72 * inches / (0.62 * letters), 7.2, 9))


def _zeros_around(axis, shape, padding):
    """Draw the padding of an image as empty cells with a gray 0 in each."""
    rows, columns = shape
    axis.set(xlim=(-0.5 - padding, columns - 0.5 + padding), ylim=(rows - 0.5 + padding, -0.5 - padding))
    for i in range(-padding, rows + padding):
        for j in range(-padding, columns + padding):
            if not (0 <= i < rows and 0 <= j < columns):
                axis.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, ec=FRAME, lw=0.8, ls=":"))
                axis.text(j, i, "0", ha="center", va="center", color=PALETTE["gray"], fontsize=9)


def _number(value, fmt=None):
    """Whole numbers whole, simple fractions as fractions, the rest with two digits; a real minus sign."""
    if callable(fmt):
        return fmt(value)
    if fmt is not None:
        text = format(value, fmt)
    else:
        fraction = Fraction(float(value)).limit_denominator(16)
        text = str(fraction) if abs(float(fraction) - value) < 1e-9 else f"{value:.2f}"
    return text.replace("-", "−")


def _readable(color):
    """Ink, black or white: the first that stands out from the color by a contrast ratio of 4.5 (WCAG 2.1)."""
    return next(text for text in (PALETTE["ink"], "#ffffff", "#000000") if _contrast(text, color) >= 4.5)


def _contrast(one, other):
    """(L₁ + 0.05) / (L₂ + 0.05), L the relative luminance, the lighter above."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color):
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
