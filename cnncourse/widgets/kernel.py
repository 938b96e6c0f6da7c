"""KernelExplorer: a picture, a kernel, the output, and the products and sum behind any one output pixel."""

import base64
from functools import cache

import numpy as np
import traitlets

from cnncourse import photographs as embedded
from cnncourse import scratch

from .explorer import Checked, Explorer, grays, index, one_of, whole

PHOTOGRAPH_SIDE = 128  # pixels of a photograph: one answer stays within a frame
DRAWING_SIDE = 32  # cells of a drawing: few enough to paint by keyboard or finger
SMALLEST, LARGEST = 7, 256  # sides of a picture; at 7 every kernel and padding offered here still fits
LARGEST_WEIGHT = 1000
KERNEL_SIZES = (1, 3, 5, 7)
MODES = ("zeros", "reflect", "replicate", "circular")
VIEWS = ("automatic", "signed", "magnitude", "picture")
LAYERS = ("kernel", "relu", "pool", "second")
LAYER_WORDS = {"relu": "after ReLU", "pool": "after max pooling", "second": "after a second kernel"}
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


def square_kernel(name, value):
    """A square kernel of side 1, 3, 5 or 7, an array or the name of a kernel → nested lists of floats."""
    if isinstance(value, str):
        return check_kernel_name(value, kernel_table())
    try:
        kernel = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise traitlets.TraitError(f"{name} must hold numbers in equal rows, got {value!r}") from None
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] not in KERNEL_SIZES:
        raise traitlets.TraitError(f"{name} must be square with side 1, 3, 5 or 7, got shape {kernel.shape}")
    if not (np.isfinite(kernel).all() and (abs(kernel) <= LARGEST_WEIGHT).all()):
        raise traitlets.TraitError(
            f"{name} must hold finite weights from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}, got {kernel.tolist()}"
        )
    return kernel.tolist()


def check_kernel_name(name, kernels):
    if name not in kernels:
        raise traitlets.TraitError(f"the kernel's name must be one of {', '.join(kernels)}, got {name!r}")
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
    step         None, or 0 … k² - 1: on its walk, row by row, the window stands at `point`; of its products those up to
                 `step` are added, and of the output only the pixels before it are there
    layers       True or False: whether ReLU, max pooling 2 × 2 and a second kernel follow, each with its picture
    second_kernel  a name or an array, as `kernel`; zeros around its input keep the size
    trace        [layer, i, j], the pixel of a layer (kernel, relu, pool or second) that is traced back to the input;
                 None: that of `point`

    Every one is a synced trait: it can be set, observed and linked while the widget is shown. A value that does not
    fit raises `TraitError`.
    """

    module = "kernel"
    later = ("point", "step", "trace")

    photographs = traitlets.Dict().tag(sync=True, explorer=True)
    photograph = traitlets.Unicode().tag(sync=True, explorer=True)
    drawing = Checked(grays, DRAWING_SIDE)
    kernels = traitlets.Dict(read_only=True).tag(sync=True, explorer=True)
    kernel_name = traitlets.Unicode("vertical edge").tag(sync=True, explorer=True)
    kernel = Checked(square_kernel)
    stride = Checked(whole, 1, 4, default=1)
    padding = Checked(whole, 0, 6, default=1)
    mode = Checked(one_of, MODES, default="zeros")
    view = Checked(one_of, VIEWS, default="automatic")
    point = traitlets.Any().tag(sync=True, explorer=True)
    step = traitlets.Any(None).tag(sync=True, explorer=True)
    layers = traitlets.Bool(False).tag(sync=True, explorer=True)
    second_kernel = Checked(square_kernel)
    trace = traitlets.Any(None).tag(sync=True, explorer=True)

    def __init__(self, **values):
        if "kernel" in values and "kernel_name" in values:
            raise TypeError("give kernel or kernel_name, not both: each sets the other")
        # Pictures are brought into their form before traitlets compares them with the embedded ones.
        if isinstance(values.get("photographs"), dict) and values["photographs"]:
            values["photographs"] = encoded(values["photographs"])
        super().__init__(**values)

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

    @traitlets.default("second_kernel")
    def _default_second_kernel(self):
        return kernel_table()["horizontal edge"]

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
        return one_of("photograph", proposal["value"], [*self.photographs, DRAWING])

    @traitlets.validate("kernel_name")
    def _check_kernel_name(self, proposal):
        return one_of("kernel_name", proposal["value"], [*self.kernels, YOUR_OWN])

    @traitlets.default("point")
    def _strong_point(self):
        return self.strongest()

    @traitlets.validate("point")
    def _check_point(self, proposal):
        rows, columns = self.output_shape()
        words = f"[row, column] within the {rows} × {columns} output"
        return index("point", proposal["value"], (rows, columns), words)

    @traitlets.validate("step")
    def _check_step(self, proposal):
        step = proposal["value"]
        return None if step is None else whole("step", step, 0, len(self.kernel) ** 2 - 1)

    @traitlets.validate("trace")
    def _check_trace(self, proposal):
        trace = proposal["value"]
        if trace is None:
            return None
        if not (isinstance(trace, list | tuple) and len(trace) == 3 and trace[0] in LAYERS):
            raise traitlets.TraitError(
                f"trace must be None or [layer, row, column] with a layer of {', '.join(LAYERS)}, got {trace}"
            )
        layer = trace[0]
        rows, columns = self.layer_shape(layer)
        words = f"[layer, row, column] within the {rows} × {columns} pixels of {layer}"
        return [layer, *index("trace", list(trace[1:]), (rows, columns), words)]

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
        if self.step is not None:
            self.step = min(self.step, len(self.kernel) ** 2 - 1)
        if self.trace:
            layer, *at = self.trace
            sizes = self.layer_shape(layer)
            self.trace = [layer, *(min(at[axis], sizes[axis] - 1) for axis in (0, 1))] if min(sizes) else None

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

    def layer_shape(self, layer):
        """(H', W') of "kernel", "relu", "pool" or "second"; (0, 0) where the output is too small for pooling."""
        rows, columns = self.output_shape()
        if layer in ("pool", "second"):
            return (rows // 2, columns // 2) if min(rows, columns) > 1 else (0, 0)
        return rows, columns

    def layer_outputs(self):
        """Layer → what it makes of the one before, by `cnncourse.scratch`; no "pool" where its windows do not fit."""
        outputs = {"kernel": self.output()}
        outputs["relu"] = scratch.relu(outputs["kernel"])
        if min(self.layer_shape("pool")):
            outputs["pool"] = scratch.max_pool2d(outputs["relu"][None, None], 2)[0, 0]
            second = np.array(self.second_kernel)
            outputs["second"] = scratch.cross_correlate(outputs["pool"], second, padding=len(second) // 2)
        return outputs

    def strongest(self):
        """[i, j] of the value that is largest in size, an eighth of the output away from its borders."""
        size = abs(self.output())
        rows, columns = (length // 8 for length in size.shape)
        inside = size[rows : size.shape[0] - rows, columns : size.shape[1] - columns]
        i, j = np.unravel_index(inside.argmax(), inside.shape)
        return [int(i) + rows, int(j) + columns]

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        drawn = self.photograph == DRAWING
        subject = "a drawing" if drawn else self.photographs[self.photograph]["alt"].rstrip(".")
        output = self.output()
        rows = "; ".join(" ".join(f"{weight:.3g}" for weight in row) for row in self.kernel)
        words = (
            f"Three panels. Input: {subject}. Kernel, {self.kernel_name}: {rows}. "
            f"Output: {output.shape[0]} × {output.shape[1]} values from {output.min():.4g} to {output.max():.4g}."
        )
        if self.step is not None:
            i, j = self.point
            words += (
                f" The window has come to row {i}, column {j}, where {self.step + 1} of {len(self.kernel) ** 2} "
                "products are added; the values after it are blank."
            )
        if self.layers:
            words += " Below, " + "; ".join(
                f"{LAYER_WORDS[layer]} {picture.shape[0]} × {picture.shape[1]} values from "
                f"{picture.min():.4g} to {picture.max():.4g}"
                for layer, picture in list(self.layer_outputs().items())[1:]
            )
            words += "."
        return words
