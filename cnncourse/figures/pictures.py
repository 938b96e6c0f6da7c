"""Pictures side by side, matrices with their numbers, convolutions: arrays in, matplotlib Axes out."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize, to_rgb
from matplotlib.patches import Rectangle

from ..checks import finite_array, integer
from .style import COLUMN, FRAME, PALETTE, SIGNED, STYLE

GAP = 0.09  # inches between the panels of a grid
MARGIN = 0.03  # inches around a grid, so that frames are not cut


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
        raise ValueError(
            "scale must be left out unless limits is (low, high) or 'shared' and signed is the same for all"
        )

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
    values = finite_array("values", values, "rows columns")
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
    kernels = _many(kernels, "kernels", 2)
    kernels = [finite_array(f"kernels[{i}]", kernel, "k_h k_w") for i, kernel in enumerate(kernels)]
    titles = _one_each(titles, len(kernels), "titles")
    figure, axes = _grid(kernels, titles, columns, width, None, gap=0.3)
    for axis, kernel, title in zip(axes, kernels, titles, strict=True):
        _cells(axis, kernel, signed=True)
        if title is not None:
            axis.set_title(title)
    return figure


def convolution_panels(image, kernel, output, *, window=None, stride=1, padding=0, width=COLUMN):
    """Image ⋆ kernel = output, side by side. Up to 12 × 12 the numbers are written, and padding is drawn as zeros.

    window   (row, column) of an output: its window in the image and the cell it fills are framed
    """
    image, kernel, output = (
        finite_array(name, a, "H W") for a, name in ((image, "image"), (kernel, "kernel"), (output, "output"))
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
    _cells(axes[1], kernel, signed=True)
    for axis, title in zip(
        axes, ("image, zeros around it" if padding else "image", "kernel", "output"), strict=True
    ):
        axis.set_title(title)
    for left, right, sign in ((axes[0], axes[1], "⋆"), (axes[1], axes[2], "=")):
        middle = (left.get_position().x1 + right.get_position().x0) / 2
        height = (axes[1].get_position().y0 + axes[1].get_position().y1) / 2
        figure.text(middle, height, sign, ha="center", va="center", fontsize=20)
    return figure


def heat_over(image, heat):
    """A heat map over a gray picture, as RGB: the picture in pale gray, vermillion where the heat is.

    image   (H, W) gray values;   heat   (H, W) from 0, nothing, to 1, full color
    """
    image, heat = finite_array("image", image, "H W"), finite_array("heat", heat, "H W")
    if image.shape != heat.shape:
        raise ValueError(f"heat must have the shape of the image, {image.shape}, got {heat.shape}")
    if not 0 <= heat.min() <= heat.max() <= 1:
        raise ValueError(f"heat must lie in 0…1, got {heat.min():.3g}…{heat.max():.3g}")
    low, high = _norm_limits(image)
    gray = (image.astype(float) - low)[..., None] / ((high - low) or 1)
    color = np.array(to_rgb(PALETTE["vermillion"]))
    heat = 0.75 * heat[..., None]
    return (1 - heat) * (0.3 + 0.7 * gray) + heat * color * (0.7 + 0.3 * gray)


# Parts.


def _picture(image, name):
    """(H, W) of any numbers, or (H, W, 3) that matplotlib shows without clipping."""
    image = finite_array(name, image, "H W", "H W 3")
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
        return [(min(low for low, _ in each), max(high for _, high in each))] * len(images)
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


def _grid(images, titles, columns, width, ax, *, foot=0, gap=GAP, shares=None):
    """Axes for pictures in rows, with exactly the room they need: (figure, axes).

    shares   the columns' widths in proportion
    """
    count = len(images)
    if ax is not None:
        axes = [ax] if hasattr(ax, "imshow") else list(np.ravel(ax))
        if len(axes) != count:
            raise ValueError(f"ax must hold one Axes for each of the {count} pictures, got {len(axes)}")
        return axes[0].get_figure(), axes
    columns = count if columns is None else columns
    columns = min(integer("columns", columns, 1), count)

    # Widths come from the column, heights from the pictures' shapes and the lines of their titles.
    shares = np.array(shares or [1] * columns, float)
    widths = shares / shares.sum() * (width - 2 * MARGIN - gap * (columns - 1))
    rows = [range(start, min(start + columns, count)) for start in range(0, count, columns)]
    heights = [[widths[i % columns] * images[i].shape[0] / images[i].shape[1] for i in row] for row in rows]
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
            column = i % columns
            left = MARGIN + widths[:column].sum() + gap * column
            bottom = top - (max(tall) + height) / 2
            axes.append(
                figure.add_axes([left / width, bottom / total, widths[column] / width, height / total])
            )
        top -= max(tall) + gap
    return figure, axes


def _draw(axis, image, **options):
    """imshow that keeps pixels square and sharp where they are enlarged, and averages them where they are not."""
    pixels = axis.get_position().width * axis.get_figure().get_figwidth() * 2 * STYLE["figure.dpi"]
    return axis.imshow(image, interpolation="nearest" if image.shape[1] <= pixels else "auto", **options)


def _frame(axis):
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=FRAME, linewidth=0.8)


def _cells(axis, values, *, signed=False, fmt=None, limits=None, mark=None):
    """Colored cells with their numbers. Signed colors stop short of full depth, so that ink reads on all of them."""
    norm = _norm(values, signed, limits)
    if signed and limits is None:
        norm = Normalize(1.6 * norm.vmin, 1.6 * norm.vmax)
    colormap = SIGNED if signed else plt.get_cmap("gray")
    axis.imshow(values, cmap=colormap, norm=norm)
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
