"""KernelExplorer: a picture, a kernel, the output, and the products and sum behind any one output pixel."""

import base64
import io
from functools import cache

import numpy as np
import traitlets
from PIL import Image

from cnncourse import photographs as embedded
from cnncourse import scratch
from cnncourse.figures import PALETTE, SIGNED

from .explorer import Explorer

PHOTOGRAPH_SIDE = 128  # pixels of a photograph: one answer stays within a frame
DRAWING_SIDE = 32  # cells of a drawing: few enough to paint by keyboard or finger
SMALLEST, LARGEST = 7, 256  # sides of a picture; at 7 every kernel and padding offered here still fits
LARGEST_WEIGHT = 1000
LARGEST_STRIDE = 4
LARGEST_PADDING = 6
KERNEL_SIZES = (1, 3, 5, 7)
MODES = ("zeros", "reflect", "replicate", "circular")
VIEWS = ("automatic", "signed", "magnitude", "picture")
EMPHASIS = 0.65  # weak answers shown a little stronger than in proportion, as in kernel.js
DRAWING = "drawing"
YOUR_OWN = "your own"


@cache
def kernel_table():
    """Name → kernel as nested lists, in the order of `scratch.KERNELS`."""
    return {name: np.asarray(kernel, dtype=np.float64).tolist() for name, kernel in scratch.KERNELS.items()}


def encode_picture(pixels, *, title, credit="", alt=""):
    """A gray picture as the module reads it: bytes in base64, row by row, with what a person needs to know."""
    data = base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode("ascii")
    return {
        "pixels": data,
        "shape": list(pixels.shape),
        "title": title,
        "credit": credit,
        "alt": alt or title,
    }


def decode_picture(entry):
    """The picture of an entry of `photographs` → uint8 (H, W)."""
    data = base64.b64decode(entry["pixels"], validate=True)
    return np.frombuffer(data, dtype=np.uint8).reshape(entry["shape"])


@cache
def embedded_photographs():
    entries = {}
    for name in embedded.names():
        credit = embedded.CREDITS[name]
        entries[name] = encode_picture(
            embedded.load(name, size=PHOTOGRAPH_SIDE, gray=True),
            title=name,
            credit=f"“{credit.title}”, {credit.author}. {credit.license}.",
            alt=credit.alt,
        )
    return entries


def default_drawing():
    """A soft ring: an edge in every direction."""
    rows, columns = np.indices((DRAWING_SIDE, DRAWING_SIDE)) - (DRAWING_SIDE - 1) / 2
    strength = np.clip(2 - abs(np.hypot(rows, columns) - 9), 0, 1)
    return np.rint(255 * strength).astype(int).tolist()


class Kernel(traitlets.TraitType):
    """A square kernel of side 1, 3, 5 or 7 as nested lists of floats; an array or the name of a kernel will do."""

    info_text = "a square kernel of side 1, 3, 5 or 7, or the name of a kernel"

    def validate(self, owner, value):
        if isinstance(value, str):
            return check_kernel_name(value, kernel_table())
        try:
            kernel = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise traitlets.TraitError(f"kernel must hold numbers in equal rows, got {value!r}") from None
        if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] not in KERNEL_SIZES:
            raise traitlets.TraitError(
                f"kernel must be square with side 1, 3, 5 or 7, got shape {kernel.shape}"
            )
        if not (np.isfinite(kernel).all() and (abs(kernel) <= LARGEST_WEIGHT).all()):
            raise traitlets.TraitError(
                f"kernel must hold finite weights from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}, got {kernel.tolist()}"
            )
        return kernel.tolist()


class Drawing(traitlets.TraitType):
    """A square of gray values from 0 to 255 as nested lists of ints; an array will do."""

    info_text = f"{DRAWING_SIDE} rows of {DRAWING_SIDE} whole numbers from 0 to 255"

    def validate(self, owner, value):
        try:
            drawing = np.asarray(value)
        except ValueError:
            drawing = np.empty(0)
        if drawing.shape != (DRAWING_SIDE, DRAWING_SIDE):
            raise traitlets.TraitError(f"drawing must be {self.info_text}, got shape {drawing.shape}")
        if drawing.dtype.kind not in "iu" or drawing.min() < 0 or drawing.max() > 255:
            raise traitlets.TraitError(
                f"drawing must be {self.info_text}, got {drawing.dtype} from {drawing.min()} to {drawing.max()}"
            )
        return drawing.tolist()


def check_kernel_name(name, kernels):
    if name not in kernels:
        raise traitlets.TraitError(f"kernel {name!r} is not known; choose from {', '.join(kernels)}")
    return kernels[name]


def check_picture(name, value):
    """An array, or an entry made by `encode_picture` → an entry."""
    try:
        pixels = decode_picture(value) if isinstance(value, dict) else np.asarray(value)
        entry = dict(value) if isinstance(value, dict) else encode_picture(pixels, title=name)
        title, credit, alt = entry["title"], entry["credit"], entry["alt"]
    except (KeyError, ValueError, TypeError) as error:
        raise traitlets.TraitError(
            f"photographs[{name!r}] must be a gray uint8 array, or a dict with pixels, shape, title, credit and alt; "
            f"got {type(value).__name__} ({error!r})"
        ) from None
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise traitlets.TraitError(
            f"photographs[{name!r}] must be gray, uint8 (H, W), got {pixels.dtype} of shape {pixels.shape}"
        )
    if not all(SMALLEST <= side <= LARGEST for side in pixels.shape):
        raise traitlets.TraitError(
            f"photographs[{name!r}] must have sides from {SMALLEST} to {LARGEST} pixels, got shape {pixels.shape}"
        )
    return encode_picture(pixels, title=title, credit=credit, alt=alt)


def encoded(pictures):
    """Name → gray array, or an entry already in that form → name → entry."""
    return {str(name): check_picture(name, value) for name, value in pictures.items()}


class KernelExplorer(Explorer):
    """Slide a kernel over a picture: y[i, j] = Σ_{u,v} w[u, v] · x[i·s + u, j·s + v], pixels from 0 to 255.

    KernelExplorer(kernel="sobel vertical", photograph="cat", stride=2, padding=1, mode="reflect")

    kernel       a name from `scratch.KERNELS` or an array, square with side 1, 3, 5 or 7
    kernel_name  its name, "your own" if it has none; setting it sets `kernel`
    photograph   a name from `photographs`, or "drawing"
    photographs  name → gray uint8 array; the course's six unless given
    drawing      32 rows of 32 gray values
    stride       1 … 4        padding  0 … 6, on every side        mode  zeros, reflect, replicate or circular
    view         automatic, signed, magnitude (absolute value) or picture (0 to 255, clipped)
    point        [i, j], the output pixel whose window and products are shown

    Every one is a synced trait: it can be set, observed and linked while the widget is shown. A value that does not
    fit raises `TraitError`.
    """

    module = "kernel"

    photographs = traitlets.Dict().tag(sync=True, explorer=True)
    photograph = traitlets.Unicode().tag(sync=True, explorer=True)
    drawing = Drawing().tag(sync=True, explorer=True)
    kernels = traitlets.Dict(read_only=True).tag(sync=True, explorer=True)
    kernel_name = traitlets.Unicode("vertical edge").tag(sync=True, explorer=True)
    kernel = Kernel().tag(sync=True, explorer=True)
    stride = traitlets.Int(1).tag(sync=True, explorer=True)
    padding = traitlets.Int(1).tag(sync=True, explorer=True)
    mode = traitlets.Unicode("zeros").tag(sync=True, explorer=True)
    view = traitlets.Unicode("automatic").tag(sync=True, explorer=True)
    point = traitlets.List(traitlets.Int()).tag(sync=True, explorer=True)

    def __init__(self, **values):
        unknown = sorted(set(values) - set(self.trait_names(sync=True)) - {"layout"})
        if unknown:
            known = ", ".join(sorted(set(self.trait_names(explorer=True)) - {"kernels"}))
            raise TypeError(f"KernelExplorer does not know {', '.join(unknown)}; it knows {known}")
        if "kernel" in values and "kernel_name" in values:
            raise TypeError("give kernel or kernel_name, not both: each sets the other")
        # traitlets checks what it is given together in the order of a set, which differs from run to run. So pictures
        # are brought into their form before, and the point is set after everything it is checked against.
        point = values.pop("point", None)
        if isinstance(values.get("photographs"), dict) and values["photographs"]:
            values["photographs"] = encoded(values["photographs"])
        super().__init__(**values)
        try:
            self.point = self.strongest() if point is None else point
        except traitlets.TraitError:
            self.close()
            raise

    # --- defaults and checks

    @traitlets.default("photographs")
    def _embedded_photographs(self):
        return embedded_photographs()

    @traitlets.default("photograph")
    def _first_photograph(self):
        return next(iter(self.photographs))

    @traitlets.default("drawing")
    def _ring(self):
        return default_drawing()

    @traitlets.default("kernels")
    def _named_kernels(self):
        return kernel_table()

    @traitlets.default("kernel")
    def _default_kernel(self):
        return kernel_table()["vertical edge"]

    @traitlets.validate("photographs")
    def _check_photographs(self, proposal):
        pictures = proposal["value"]
        if not pictures:
            raise traitlets.TraitError("photographs must hold at least one picture, got none")
        if pictures is embedded_photographs():
            return pictures
        return encoded(pictures)

    @traitlets.validate("photograph")
    def _check_photograph(self, proposal):
        return self._one_of("photograph", proposal["value"], [*self.photographs, DRAWING])

    @traitlets.validate("kernel_name")
    def _check_kernel_name(self, proposal):
        return self._one_of("kernel_name", proposal["value"], [*self.kernels, YOUR_OWN])

    @traitlets.validate("mode")
    def _check_mode(self, proposal):
        return self._one_of("mode", proposal["value"], MODES)

    @traitlets.validate("view")
    def _check_view(self, proposal):
        return self._one_of("view", proposal["value"], VIEWS)

    @traitlets.validate("stride")
    def _check_stride(self, proposal):
        return self._between("stride", proposal["value"], 1, LARGEST_STRIDE)

    @traitlets.validate("padding")
    def _check_padding(self, proposal):
        return self._between("padding", proposal["value"], 0, LARGEST_PADDING)

    @traitlets.validate("point")
    def _check_point(self, proposal):
        point, (rows, columns) = proposal["value"], self.output_shape()
        if len(point) != 2 or not (0 <= point[0] < rows and 0 <= point[1] < columns):
            raise traitlets.TraitError(
                f"point must be [row, column] within the {rows} × {columns} output, got {point}"
            )
        return point

    @staticmethod
    def _one_of(name, value, allowed):
        if value not in allowed:
            raise traitlets.TraitError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        return value

    @staticmethod
    def _between(name, value, low, high):
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name} must be a whole number from {low} to {high}, got {value}")
        return value

    # --- traits that follow one another

    @traitlets.observe("kernel_name")
    def _kernel_follows_name(self, change):
        if change["new"] in self.kernels:
            self.kernel = self.kernels[change["new"]]

    @traitlets.observe("kernel")
    def _name_follows_kernel(self, change):
        if self.kernels.get(self.kernel_name) != change["new"]:
            names = (name for name, kernel in self.kernels.items() if kernel == change["new"])
            self.kernel_name = next(names, YOUR_OWN)

    @traitlets.observe("photographs")
    def _photograph_is_one_of_them(self, change):
        if self.photograph not in [*change["new"], DRAWING]:
            self.photograph = next(iter(change["new"]))
        self._point_stays_inside(change)

    @traitlets.observe("photograph", "kernel", "stride", "padding")
    def _point_stays_inside(self, change):
        if self.point:
            sizes = self.output_shape()
            self.point = [min(index, size - 1) for index, size in zip(self.point, sizes, strict=True)]

    # --- results

    def picture(self):
        """The chosen picture → uint8 (H, W)."""
        if self.photograph == DRAWING:
            return np.array(self.drawing, dtype=np.uint8)
        return decode_picture(self.photographs[self.photograph])

    def output_shape(self):
        """(H', W') of the output."""
        return tuple(
            scratch.conv_output_size(size, len(self.kernel), stride=self.stride, padding=self.padding)
            for size in self.picture().shape
        )

    def output(self):
        """What the explorer shows, computed by `cnncourse.scratch` → float64 (H', W')."""
        padded = scratch.pad(self.picture().astype(np.float64), self.padding, mode=self.mode)
        return scratch.cross_correlate(padded, np.array(self.kernel), stride=self.stride)

    def strongest(self):
        """[i, j] of the value that is largest in size, an eighth of the output away from its borders."""
        size = abs(self.output())
        rows, columns = (length // 8 for length in size.shape)
        inside = size[rows : size.shape[0] - rows, columns : size.shape[1] - columns]
        i, j = np.unravel_index(inside.argmax(), inside.shape)
        return [int(i) + rows, int(j) + columns]

    def resolved_view(self):
        """The view that "automatic" stands for: signed for kernels that answer 0 to a flat picture."""
        if self.view != "automatic":
            return self.view
        kernel = np.array(self.kernel)
        return "signed" if abs(kernel.sum()) <= 1e-9 * abs(kernel).sum() else "picture"

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        drawn = self.photograph == DRAWING
        subject = "a drawing" if drawn else self.photographs[self.photograph]["alt"].rstrip(".")
        output = self.output()
        rows = "; ".join(" ".join(f"{weight:.3g}" for weight in row) for row in self.kernel)
        return (
            f"Three panels. Input: {subject}. Kernel, {self.kernel_name}: {rows}. "
            f"Output: {output.shape[0]} × {output.shape[1]} values from {output.min():.4g} to {output.max():.4g}."
        )

    def still(self):
        """Input, kernel and output side by side → PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 2.9), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, 3, width_ratios=(4, 3, 4))
        picture, kernel, output = self.picture(), np.array(self.kernel), self.output()
        view = self.resolved_view()
        bound = abs(output).max() or 1.0
        largest = abs(kernel).max() or 1.0
        axes[0].imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes[1].imshow(kernel, cmap=SIGNED, vmin=-1.5 * largest, vmax=1.5 * largest)
        for (u, v), weight in np.ndenumerate(kernel):
            text = f"{weight:.2g}".replace("-", "−")
            axes[1].text(
                v, u, text, ha="center", va="center", fontsize=11 - len(kernel), color=PALETTE["ink"]
            )
        if view == "picture":
            image = axes[2].imshow(output, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            ticks = {0: "0", 255: "255"}
        else:
            shares = np.sign(output) * (abs(output) / bound) ** EMPHASIS
            ticks = {0: "0", 1: f"{bound:.4g}"}
            if view == "signed":
                ticks[-1] = f"−{bound:.4g}"
                image = axes[2].imshow(shares, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
            else:
                image = axes[2].imshow(abs(shares), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        scale = figure.colorbar(image, ax=axes[2], fraction=0.046, pad=0.03)
        scale.set_ticks(list(ticks), labels=list(ticks.values()), fontsize=7)
        titles = (
            f"Input {picture.shape[0]} × {picture.shape[1]}",
            f"Kernel, {self.kernel_name}",
            f"Output {output.shape[0]} × {output.shape[1]}",
        )
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title, fontsize=9, color=PALETTE["ink"])
            ax.set_xticks([])
            ax.set_yticks([])
        raw = io.BytesIO()
        figure.savefig(raw, format="png")
        raw.seek(0)
        small = io.BytesIO()
        Image.open(raw).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(
            small, format="png", optimize=True
        )
        return small.getvalue()
