"""ShapeExplorer: how big the output is, which pixels each window reads, and what that costs."""

import numpy as np
import traitlets

from cnncourse import scratch

from .explorer import Checked, Explorer, one_of, whole

RANGES = {
    "input": (1, 16),
    "kernel": (1, 7),
    "stride": (1, 4),
    "padding": (0, 6),
    "dilation": (1, 4),
    "in_channels": (1, 4096),
    "out_channels": (1, 4096),
}
GEOMETRY = ("input", "kernel", "stride", "padding", "dilation")
VIEWS = ("forward", "transposed")
LARGEST_GRID = 32  # cells a side that are still seen one by one, on a phone too


def grid_sides(view, input, kernel, stride, padding, dilation):
    """(windows, pixels, grid): positions of the window along an axis, pixels it slides over, the same with the border.

    Forward, the windows are the output and the pixels are the input, with padding around it. Transposed, the windows
    are the input and the pixels are the output, cropped by the padding. Raises ValueError where that cannot be.
    """
    span = dilation * (kernel - 1) + 1
    if view == "forward":
        grid = input + 2 * padding
        if span > grid:
            raise ValueError(
                f"the kernel spans {dilation}·({kernel} − 1) + 1 = {span} pixels, "
                f"and the padded input has {input} + 2·{padding} = {grid}"
            )
        return scratch.conv_output_size(input, kernel, stride, padding, dilation), input, grid
    grid = (input - 1) * stride + span
    if grid > LARGEST_GRID:
        raise ValueError(
            f"the transposed output is ({input} − 1)·{stride} + {dilation}·({kernel} − 1) + 1 = {grid} pixels wide "
            f"before it is cropped, and at most {LARGEST_GRID} are shown"
        )
    if grid <= 2 * padding:
        raise ValueError(f"the padding crops 2·{padding} of the {grid} pixels, and nothing is left")
    return input, grid - 2 * padding, grid


class ShapeExplorer(Explorer):
    """The size of a convolution's output, pixel by pixel, and its cost: H′ = ⌊(H + 2p − d(k − 1) − 1) / s⌋ + 1.

    ShapeExplorer(input=8, kernel=3, stride=2, padding=1)

    input         1 … 16, the side H of a square input in pixels
    kernel        1 … 7, the side k
    stride        1 … 4        padding  0 … 6, zeros on every side        dilation  1 … 4
    view          "forward", or "transposed": H′ = (H − 1)s − 2p + d(k − 1) + 1, as `ConvTranspose2d`
    step          the window shown, from 0, row by row; the output is filled in up to it; the middle one at first
    show_counts   writes into every pixel how often it is read (transposed: how many products it sums)
    in_channels   1 … 4096, C of the cost        out_channels  1 … 4096, O of the cost
    output        the side H′ of the output; follows the others, and cannot be set

    Every one is a trait: it can be set, observed and linked while the widget is shown. A value that does not fit, by
    itself or beside the others, raises `TraitError`; settings that only fit together are set together, within
    `with explorer.hold_trait_notifications():`. The sliders stop at the last value that fits and say why.
    """

    module = "shape"

    input = Checked(whole, *RANGES["input"], default=7)
    kernel = Checked(whole, *RANGES["kernel"], default=3)
    stride = Checked(whole, *RANGES["stride"], default=2)
    padding = Checked(whole, *RANGES["padding"], default=1)
    dilation = Checked(whole, *RANGES["dilation"], default=1)
    view = Checked(one_of, VIEWS, default="forward")
    step = Checked(whole, 0)
    show_counts = traitlets.Bool(False).tag(sync=True, explorer=True)
    in_channels = Checked(whole, *RANGES["in_channels"], default=3)
    out_channels = Checked(whole, *RANGES["out_channels"], default=16)
    output = traitlets.Int(read_only=True)

    # --- defaults, checks, and what follows

    @traitlets.default("step")
    def _middle_step(self):
        windows = self._sides()[0]
        return (windows - 1) // 2 * (windows + 1)

    @traitlets.default("output")
    def _output_side(self):
        windows, pixels, _ = self._sides()
        return windows if self.view == "forward" else pixels

    @traitlets.validate("view", *GEOMETRY)
    def _check_geometry(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        settings = {other: getattr(self, other) for other in ("view", *GEOMETRY)} | {name: value}
        try:
            grid_sides(**settings)
        except ValueError as error:
            others = ", ".join(f"{other}={settings[other]!r}" for other in settings if other != name)
            raise traitlets.TraitError(f"{name}={value!r} does not fit {others}: {error}") from None
        return value

    @traitlets.validate("step")
    def _check_step(self, proposal):
        try:
            last = self._sides()[0] ** 2 - 1
        except ValueError:  # set together with settings that do not fit, which their own check will say
            return proposal["value"]
        if proposal["value"] > last:
            raise traitlets.TraitError(
                f"step must be a whole number from 0 to {last}, the last window, got {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.observe("view", *GEOMETRY)
    def _output_follows(self, change):
        self.set_trait("output", self._output_side())
        self.step = min(self.step, self._sides()[0] ** 2 - 1)

    # --- results

    def _sides(self):
        return grid_sides(self.view, *(getattr(self, name) for name in GEOMETRY))

    def counts(self):
        """How often each pixel of the input is read → int (H, H); transposed, products in each output → (H′, H′)."""
        return np.outer(self._counts(), self._counts())

    def _counts(self):
        """The same along one axis."""
        windows, pixels, _ = self._sides()
        counts = np.zeros(pixels, dtype=int)
        for window in range(windows):
            taps = self._taps(window)
            counts[taps[(taps >= 0) & (taps < pixels)]] += 1
        return counts

    def _taps(self, window):
        """Where the window lies along one axis: i·s + u·d − p for u = 0 … k − 1."""
        return window * self.stride + np.arange(self.kernel) * self.dilation - self.padding

    def weights(self):
        """O · C · k², without bias."""
        return self.out_channels * self.in_channels * self.kernel**2

    def multiply_adds(self):
        """For one image, as they are usually counted, with the zeros of the padding: O · C · k² a window."""
        return self.weights() * self._sides()[0] ** 2

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        forward = self.view == "forward"
        border = f" with {self.padding} of padding around it" if self.padding else ""
        cropped = f", with {self.padding} cropped on every side" if self.padding else ""
        never = [str(index) for index in np.flatnonzero(self._counts() == 0)]
        verb = "read" if forward else "written to"
        lines = "row and column" if len(never) == 1 else "rows and columns"
        covered = f"Never {verb}: {lines} {', '.join(never)}." if never else f"Every pixel is {verb}."
        return (
            f"{'A' if forward else 'A transposed'} convolution as two grids. "
            f"Input: {self.input} × {self.input} pixels{border if forward else ''}. "
            f"Kernel {self.kernel} × {self.kernel}, stride {self.stride}, dilation {self.dilation}. "
            f"Output: {self.output} × {self.output}{'' if forward else cropped}. {covered} "
            f"From {self.in_channels} to {self.out_channels} channels: {self.weights():,} weights, "
            f"{self.multiply_adds():,} multiply-adds."
        )
