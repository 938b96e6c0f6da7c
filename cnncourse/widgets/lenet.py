"""LeNetLive: draw a digit and see every layer of a LeNet-5 answer."""

import base64
import copy
import hashlib
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import traitlets

from .explorer import Checked, Explorer, grays, index, number, one_of

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

# Layer → (maps, rows, columns); the last three have units instead of maps.
SIZES = {
    "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5),
    "c5": (120, 1, 1), "f6": (84, 1, 1), "output": (10, 1, 1),
}  # fmt: skip
LAYERS = ("c1", "c3", "c5", "f6", "output")  # those with weights
PARTS = {"weight": "weights", "scale": "scales", "bias": "biases"}  # in weights.npz → in the page


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
        parts = {part: [arrays[f"{layer}_{part}"] for layer in LAYERS] for part in PARTS}
    kept = ("activation", "pooling", "mean", "std", "border")
    return {name: manifest[name] for name in kept} | {
        PARTS[part]: encode(np.concatenate([array.ravel() for array in arrays]))
        for part, arrays in parts.items()
    }


@cache
def load_model(folder=SHIPPED):
    """The same network as `models.build("lenet5")` makes it, in float64: w[o] = scale[o] · weight[o]."""
    import torch

    from cnncourse import models

    settings = load_network(folder)
    options = {name: settings[name] for name in ("activation", "pooling")}
    with torch.device("meta"):  # no weights are drawn, so random numbers stay as they are
        model = models.build("lenet5", **options)
    state = {}
    with np.load(Path(folder) / "weights.npz") as arrays:
        for layer in LAYERS:
            weight, scale, bias = (arrays[f"{layer}_{part}"].astype(np.float64) for part in PARTS)
            state[f"{layer}.weight"] = torch.from_numpy(weight * scale.reshape(-1, *[1] * (weight.ndim - 1)))
            state[f"{layer}.bias"] = torch.from_numpy(bias)
    model.load_state_dict(state, assign=True)
    return model.eval()


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

    All but folder are synced traits: each can be set, observed and linked while the widget is shown. A value that
    does not fit raises `TraitError`. `received()`, `activations()` and `probabilities()` compute in torch what the
    explorer shows. LeCun, Bottou, Bengio and Haffner, 1998.
    """

    module = "lenet"
    later = ("unit",)
    extra = ("folder",)

    network = traitlets.Dict(read_only=True).tag(sync=True, explorer=True)
    samples = traitlets.List(read_only=True).tag(sync=True, explorer=True)
    image = Checked(grays, SIDE)
    centered = traitlets.Bool(True).tag(sync=True, explorer=True)
    brush = Checked(number, *BRUSHES, default=2.5)
    layer = Checked(one_of, tuple(SIZES), default="c3")
    unit = traitlets.Any().tag(sync=True, explorer=True)

    def __init__(self, *, folder=SHIPPED, **values):
        self.folder = Path(folder)
        load_network(self.folder)
        super().__init__(**values)

    # --- defaults and checks

    @traitlets.default("network")
    def _network_of_the_folder(self):
        return load_network(self.folder)

    @traitlets.default("samples")
    def _ten_digits(self):
        return list(sample_digits())

    @traitlets.default("image")
    def _first_digit(self):
        return decode_digit(sample_digits()[FIRST_DIGIT]).tolist()

    @traitlets.default("unit")
    def _strong_unit(self):
        return self.strongest()

    @traitlets.validate("unit")
    def _check_unit(self, proposal):
        size = SIZES[self.layer]
        words = f"[map, row, column] within the {' × '.join(map(str, size))} units of {self.layer}"
        return index("unit", proposal["value"], size, words)

    @traitlets.observe("layer")
    def _unit_stays_inside(self, change):
        if self.unit:
            size = SIZES[change["new"]]
            self.unit = [min(index, n - 1) for index, n in zip(self.unit, size, strict=True)]

    # --- results

    def model(self):
        """The network that answers, as a torch module of its own, float32: see `models.build("lenet5")`."""
        return copy.deepcopy(load_model(self.folder)).float()

    def received(self):
        """The pixels that the network gets, without their border → uint8 (28, 28)."""
        picture = np.array(self.image, dtype=np.uint8)
        return center_digit(picture) if self.centered else picture

    def activations(self):
        """Layer → what it answers, after its activation → float64 (maps, rows, columns); `output` holds the logits."""
        import torch

        network, answers = self.network, {}
        x = np.full((1, 1, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), float(network["border"]))
        x[..., MARGIN:-MARGIN, MARGIN:-MARGIN] = (self.received() / 255 - network["mean"]) / network["std"]
        x = torch.from_numpy(x)
        with torch.no_grad():
            for name, layer in load_model(self.folder).named_children():
                x = layer(x)
                answers[name.removesuffix("_activation")] = x.numpy()
        return {name: answers[name].reshape(size) for name, size in SIZES.items()}

    def probabilities(self):
        """How likely the network holds each digit to be: the softmax of its ten outputs → float64 (10,)."""
        logits = self.activations()["output"].reshape(-1)
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

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
