"""LeNetLive: draw a digit and see every layer of a LeNet-5 answer."""

import base64
import hashlib
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import traitlets
from PIL import Image

from cnncourse import scratch
from cnncourse.figures import FRAME, PALETTE, SIGNED

from .explorer import Explorer

EMBEDDED = Path(__file__).resolve().parent.parent / "embedded"
SHIPPED = EMBEDDED / "lenet_live"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 28  # pixels of a drawing, as of MNIST's digits
MARGIN = 2  # pixels around it: LeNet-5 reads 32 × 32
BOX = 20  # pixels of the longer side of a digit of MNIST, which stands in the middle by its center of mass
HALF = (
    0.5 + 1e-9
)  # rounding: what lies between two grays goes up, whatever the order of the sums (as in lenet.js)
BRUSHES = (1.0, 5.0)  # pixels across; MNIST's strokes are two to four
FIRST_DIGIT = 3
SAMPLE_SEED = 0  # any would do: it draws one test digit of each class
EMPHASIS = 0.65  # weak answers shown a little stronger than in proportion, as in lenet.js

# Layer → (maps, rows, columns); the last three have units instead of maps.
SIZES = {
    "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5),
    "c5": (120, 1, 1), "f6": (84, 1, 1), "output": (10, 1, 1),
}  # fmt: skip
WEIGHTS = {
    "c1": (6, 1, 5, 5),
    "c3": (16, 6, 5, 5),
    "c5": (120, 16, 5, 5),
    "f6": (84, 120),
    "output": (10, 84),
}
PARTS = {"weight": "weights", "scale": "scales", "bias": "biases"}  # in weights.npz → in the page
ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
POOLINGS = {"max": scratch.max_pool2d, "average": scratch.avg_pool2d}


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


@cache
def load_network(folder=SHIPPED):
    """The folder that `tools/make_lenet_live.py` wrote → the network as the module reads it.

    weights   int8 of c1, c3, c5, f6 and output, one after the other, in base64
    scales, biases   float32, one for each output channel, in base64:  w[o] = scales[o] · weights[o]
    mean, std, border   x = (pixel / 255 − mean) / std, with a border of that value
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        raw = (folder / "weights.npz").read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"folder must hold manifest.json and weights.npz, written by tools/make_lenet_live.py; "
            f"{str(folder)!r} does not ({error})"
        ) from None
    if hashlib.sha256(raw).hexdigest() != manifest["sha256"]["weights.npz"]:
        raise ValueError(f"folder {str(folder)!r}: weights.npz is not the file that manifest.json describes")
    with np.load(io.BytesIO(raw)) as arrays:
        parts = {part: [arrays[f"{layer}_{part}"] for layer in WEIGHTS] for part in PARTS}
    kept = ("activation", "pooling", "mean", "std", "border")
    return {name: manifest[name] for name in kept} | {
        PARTS[part]: encode(np.concatenate([array.ravel() for array in arrays]))
        for part, arrays in parts.items()
    }


def decode_network(network):
    """The network as the module reads it → {"c1": (weight, bias), …} in float64."""
    kinds = {"weights": np.int8, "scales": np.float32, "biases": np.float32}
    whole, scales, biases = (
        np.frombuffer(base64.b64decode(network[part]), dtype=kind) for part, kind in kinds.items()
    )
    layers = {}
    for layer, shape in WEIGHTS.items():
        size, outputs = int(np.prod(shape)), shape[0]
        scale = scales[:outputs].astype(np.float64).reshape(-1, *[1] * (len(shape) - 1))
        layers[layer] = whole[:size].reshape(shape) * scale, biases[:outputs].astype(np.float64)
        whole, scales, biases = whole[size:], scales[outputs:], biases[outputs:]
    return layers


@cache
def sample_digits():
    """One test digit of MNIST for each class → ten strings, uint8 (28, 28) in base64."""
    with np.load(EMBEDDED / "mnist_mini/test.npz") as test:
        images, labels = test["images"], test["labels"]
    rng = np.random.default_rng(SAMPLE_SEED)
    return [encode(images[rng.choice(np.flatnonzero(labels == digit))]) for digit in range(10)]


def decode_digit(text):
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(SIDE, SIDE)


def resampling(size, target):
    """The matrix (target, size) that scales a line of pixels: a triangle as wide as a pixel of the coarser line."""
    step = size / target
    places = (np.arange(target)[:, None] + 0.5) * step - (np.arange(size) + 0.5)
    weights = np.maximum(0, 1 - abs(places) / max(1, step))
    return weights / weights.sum(axis=1, keepdims=True)


def center_digit(picture):
    """What MNIST's makers did with each digit: its box scaled to 20 pixels, its center of mass put in the middle.

    picture uint8 (28, 28) → uint8 (28, 28). The longer side of the box becomes 20; the digit then moves by whole pixels
    until its center of mass lies in 13.5 … 14.5, or until it touches the edge. A digit of MNIST stays as it is.
    LeCun, Bottou, Bengio and Haffner, 1998, section III.A.
    """
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    field = np.zeros_like(picture)
    if not rows.size:
        return field
    box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    height, width = (max(1, int(side * BOX / max(box.shape) + 0.5)) for side in box.shape)
    digit = np.floor(resampling(len(box), height) @ box @ resampling(box.shape[1], width).T + HALF)
    mass = digit.sum()
    if mass == 0:
        return field
    lines = ((digit.sum(axis=1), height), (digit.sum(axis=0), width))
    top, left = (
        int(min(max(np.ceil(13.5 - (np.arange(size) * line).sum() / mass), 0), SIDE - size))
        for line, size in lines
    )
    field[top : top + height, left : left + width] = digit
    return field


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


class Picture(traitlets.TraitType):
    """A square of gray values from 0 to 255 as nested lists of ints; an array will do."""

    info_text = f"{SIDE} rows of {SIDE} whole numbers from 0 to 255"

    def validate(self, owner, value):
        try:
            picture = np.asarray(value)
        except ValueError:
            picture = np.empty(0)
        if picture.shape != (SIDE, SIDE):
            raise traitlets.TraitError(f"{self.name} must be {self.info_text}, got shape {picture.shape}")
        if picture.dtype.kind not in "iu":
            raise traitlets.TraitError(f"{self.name} must be {self.info_text}, got {picture.dtype}")
        if picture.min() < 0 or picture.max() > 255:
            raise traitlets.TraitError(
                f"{self.name} must be {self.info_text}, got values from {picture.min()} to {picture.max()}"
            )
        return picture.tolist()


class LeNetLive(Explorer):
    """A digit is drawn, and LeNet-5 answers: every map of every layer, and ten probabilities.

    LeNetLive(image=picture, centered=True, layer="c3", unit=[4, 2, 7])

    image      28 rows of 28 gray values, white on black as in MNIST; an array (28, 28) will do
    centered   whether the drawing is scaled and centered as MNIST's digits are before the network gets it
    brush      1 … 5, the width of a stroke in pixels
    layer      "c1", "s2", "c3", "s4", "c5", "f6" or "output": the layer of the unit that is looked into
    unit       [map, row, column] of that unit; in c5, f6 and output [index, 0, 0]
    folder     where the network lies, if it is another than the course's: written by
               `python tools/make_lenet_live.py` from the weights of any `models.build("lenet5")`

    All but folder are synced traits: each can be set, observed and linked while the widget is shown. A value that does
    not fit raises `TraitError`. `received()`, `activations()` and `probabilities()` compute with `cnncourse.scratch`
    what the explorer shows. LeCun, Bottou, Bengio and Haffner, 1998.
    """

    module = "lenet"

    network = traitlets.Dict(read_only=True).tag(sync=True, explorer=True)
    samples = traitlets.List(read_only=True).tag(sync=True, explorer=True)
    image = Picture().tag(sync=True, explorer=True)
    centered = traitlets.Bool(True).tag(sync=True, explorer=True)
    brush = traitlets.Float(2.5).tag(sync=True, explorer=True)
    layer = traitlets.Unicode("c3").tag(sync=True, explorer=True)
    unit = traitlets.List(traitlets.Int()).tag(sync=True, explorer=True)

    def __init__(self, *, folder=SHIPPED, **values):
        unknown = sorted(set(values) - set(self.trait_names(sync=True)) - {"layout"})
        if unknown:
            known = ", ".join(sorted({*self.trait_names(explorer=True), "folder"} - {"network", "samples"}))
            raise TypeError(f"LeNetLive does not know {', '.join(unknown)}; it knows {known}")
        network = load_network(folder)
        self.layers = decode_network(network)
        # The unit is set after the layer and the image it is checked against.
        unit = values.pop("unit", None)
        super().__init__(**values)
        try:
            self.set_trait("network", network)
            self.unit = self.strongest() if unit is None else unit
        except traitlets.TraitError:
            self.close()
            raise

    # --- defaults and checks

    @traitlets.default("samples")
    def _ten_digits(self):
        return list(sample_digits())

    @traitlets.default("image")
    def _first_digit(self):
        return decode_digit(sample_digits()[FIRST_DIGIT]).tolist()

    @traitlets.validate("brush")
    def _check_brush(self, proposal):
        low, high = BRUSHES
        if not low <= proposal["value"] <= high:
            raise traitlets.TraitError(
                f"brush must be a width from {low:g} to {high:g}, got {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.validate("layer")
    def _check_layer(self, proposal):
        if proposal["value"] not in SIZES:
            raise traitlets.TraitError(f"layer must be one of {', '.join(SIZES)}, got {proposal['value']!r}")
        return proposal["value"]

    @traitlets.validate("unit")
    def _check_unit(self, proposal):
        unit, size = proposal["value"], SIZES.get(self.layer)
        fits = size and len(unit) == 3 and all(0 <= i < n for i, n in zip(unit, size, strict=True))
        if size and not fits:
            raise traitlets.TraitError(
                f"unit must be [map, row, column] within the {' × '.join(map(str, size))} units of {self.layer}, "
                f"got {unit}"
            )
        return unit

    @traitlets.observe("layer")
    def _unit_stays_inside(self, change):
        if self.unit:
            size = SIZES[change["new"]]
            self.unit = [min(index, n - 1) for index, n in zip(self.unit, size, strict=True)]

    # --- results

    def received(self):
        """The pixels that the network gets, without their border → uint8 (28, 28)."""
        picture = np.array(self.image, dtype=np.uint8)
        return center_digit(picture) if self.centered else picture

    def activations(self):
        """Layer → what it answers, after its activation → float64 (maps, rows, columns); `output` holds the logits."""
        network, layers = self.network, self.layers
        act, pool = ACTIVATIONS[network["activation"]], POOLINGS[network["pooling"]]
        x = np.full((1, 1, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), float(network["border"]))
        x[..., MARGIN:-MARGIN, MARGIN:-MARGIN] = (self.received() / 255 - network["mean"]) / network["std"]
        answers = {}
        answers["c1"] = x = act(scratch.conv2d(x, *layers["c1"]))
        answers["s2"] = x = pool(x, 2)
        answers["c3"] = x = act(scratch.conv2d(x, *layers["c3"]))
        answers["s4"] = x = pool(x, 2)
        answers["c5"] = x = act(scratch.conv2d(x, *layers["c5"]))
        for name, after in (("f6", act), ("output", lambda logits: logits)):
            weight, bias = layers[name]
            answers[name] = x = after(weight @ x.reshape(-1) + bias).reshape(1, -1, 1, 1)
        return {name: answer[0] for name, answer in answers.items()}

    def probabilities(self):
        """How likely the network holds each digit to be: the softmax of its ten outputs → float64 (10,)."""
        return softmax(self.activations()["output"].reshape(-1))

    def strongest(self):
        """[map, row, column] of the largest answer of the layer."""
        answers = self.activations()[self.layer]
        return [int(index) for index in np.unravel_index(answers.argmax(), answers.shape)]

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        probabilities = self.probabilities()
        ranking = [f"{DIGITS[digit]} {probabilities[digit]:.1%}" for digit in (-probabilities).argsort()[:3]]
        drawn = "A drawn digit" if np.any(self.image) else "An empty drawing"
        return (
            f"{drawn} of 28 × 28 pixels and the answers of LeNet-5, layer by layer: 6 maps of 28 × 28 in C1, "
            f"6 of 14 × 14 in S2, 16 of 10 × 10 in C3, 16 of 5 × 5 in S4, 120 units in C5, 84 in F6. "
            f"Its probabilities: {', '.join(ranking)}."
        )

    def still(self):
        """The drawing, the maps of every layer and ten bars → PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 3.9), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        left, middle, right = figure.subfigures(1, 3, width_ratios=(1.5, 5, 1.6))
        ax = left.subplots()
        ax.imshow(self.received(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_title("The network gets", fontsize=8.5, color=PALETTE["ink"])
        ax.axis("off")

        answers, colors = self.activations(), SIGNED.with_extremes(bad=FRAME)
        titles = {"c1": "C1, 6 maps of 28 × 28", "s2": "S2, 6 maps of 14 × 14", "c3": "C3, 16 maps of 10 × 10",
                  "s4": "S4, 16 maps of 5 × 5", "c5": "C5, 120 units", "f6": "F6, 84 units"}  # fmt: skip
        rows = middle.subplots(len(titles), 1, height_ratios=(5, 5, 2.4, 2.4, 1, 1))
        for ax, (name, title) in zip(rows, titles.items(), strict=True):
            maps = answers[name]
            shares = np.sign(maps) * (abs(maps) / (abs(maps).max() or 1)) ** EMPHASIS
            if maps.shape[1] == 1:
                shares = shares.reshape(1, 2, -1)
            framed = [np.pad(share, 1, constant_values=np.nan) for share in shares]
            strip = np.concatenate(framed, axis=1)
            ax.imshow(strip, cmap=colors, vmin=-1, vmax=1, interpolation="nearest")
            ax.set_anchor("W")
            ax.set_title(title, fontsize=7.5, color=PALETTE["ink"], pad=2, loc="left")
            ax.axis("off")

        ax = right.subplots()
        probabilities = self.probabilities()
        ax.barh(range(10), probabilities, color=PALETTE["blue"])
        ax.set(xlim=(0, 1), ylim=(9.6, -0.6))
        ax.set_yticks(range(10), labels=map(str, range(10)), fontsize=8.5)
        ax.set_xticks([0, 1], labels=["0", "1"], fontsize=7.5)
        ax.set_title("Probability", fontsize=8.5, color=PALETTE["ink"])
        ax.spines[["top", "right"]].set_visible(False)
        raw = io.BytesIO()
        figure.savefig(raw, format="png")
        raw.seek(0)
        small = io.BytesIO()
        picture = Image.open(raw).convert("RGB").quantize(96, dither=Image.Dither.NONE)
        picture.save(small, format="png", optimize=True)
        return small.getvalue()
