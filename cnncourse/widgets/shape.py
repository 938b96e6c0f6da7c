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
    "output_padding": (0, 3),
}
GEOMETRY = tuple(RANGES)
AXES = ("height", "width")
CHANNELS = (1, 4096)
VIEWS = ("forward", "transposed")
LARGEST_GRID = 32  # cells a side that are still seen one by one, on a phone too


def grid_sides(view, input, kernel, stride, padding, dilation, output_padding=0):
    """(windows, pixels, grid): positions of the window along an axis, pixels it slides over, the same with the border.

    Forward, the windows are the output and the pixels are the input, with padding around it. Transposed, the windows
    are the input and the pixels are the output, cropped by the padding, at the end by so much less as the output
    padding says. Raises ValueError where that cannot be.
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
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"the output padding {output_padding} is smaller than neither stride {stride} nor dilation {dilation}"
        )
    full = (input - 1) * stride + span
    pixels = full - 2 * padding + output_padding
    grid = full + max(0, output_padding - padding)
    if grid > LARGEST_GRID:
        added = f" + {output_padding - padding}" if grid > full else ""
        raise ValueError(
            f"the transposed output is ({input} − 1)·{stride} + {dilation}·({kernel} − 1) + 1{added} = {grid} pixels "
            f"wide before it is cropped, and at most {LARGEST_GRID} are shown"
        )
    if pixels < 1:
        added = f", the output padding adds {output_padding}" if output_padding else ""
        raise ValueError(f"the padding crops 2·{padding} of the {full} pixels{added}, and nothing is left")
    return input, pixels, grid


def number_or_pair(name, value, low, high):
    """A whole number for height and width, or a pair with one for each."""
    if not isinstance(value, list | tuple):
        return whole(name, value, low, high)
    if len(value) != 2:
        raise traitlets.TraitError(
            f"{name} must be a whole number from {low} to {high} or a pair of them, got {value!r}"
        )
    return tuple(
        whole(f"the {axis} of {name}", one, low, high) for axis, one in zip(AXES, value, strict=True)
    )


def on_axis(value, axis):
    return value[axis] if isinstance(value, tuple) else value


def by(value):
    """3, or 3 × 5 of a pair, as text."""
    return " × ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class ShapeExplorer(Explorer):
    """The size of a convolution's output, pixel by pixel, and its cost: H′ = ⌊(H + 2p − d(k − 1) − 1) / s⌋ + 1.

    ShapeExplorer(input=8, kernel=3, stride=2, padding=1)
    ShapeExplorer(input=(8, 12), kernel=(3, 1), padding=(1, 0))

    input           1 … 16, the side H of the input in pixels
    kernel          1 … 7, the side k
    stride          1 … 4        padding  0 … 6, zeros on every side        dilation  1 … 4
    output_padding  0 … 3, smaller than stride or dilation; only of the transposed view
    view            "forward", or "transposed": H′ = (H − 1)s − 2p + d(k − 1) + output_padding + 1, as `ConvTranspose2d`
    step            the window shown, from 0, row by row; the output is filled in up to it; the middle one at first
    show_counts     writes into every pixel how often it is read (transposed: how many products it sums)
    in_channels     1 … 4096, C of the cost        out_channels  1 … 4096, O of the cost
    groups          1 … 4096, divides both
    output          the side H′ of the output; follows the others, and cannot be set

    Each of the first six is a number for height and width, or a pair (height, width), and reads back as it was given;
    where one is a pair, the explorer shows height and width apart, and `output` is a pair.

    Every one is a trait: it can be set, observed and linked while the widget is shown. A value that does not fit, by
    itself or beside the others, raises `TraitError`; settings that only fit together are set together, within
    `with explorer.hold_trait_notifications():`. The sliders stop at the last value that fits and say why.
    """

    module = "shape"

    input = Checked(number_or_pair, *RANGES["input"], default=7)
    kernel = Checked(number_or_pair, *RANGES["kernel"], default=3)
    stride = Checked(number_or_pair, *RANGES["stride"], default=2)
    padding = Checked(number_or_pair, *RANGES["padding"], default=1)
    dilation = Checked(number_or_pair, *RANGES["dilation"], default=1)
    output_padding = Checked(number_or_pair, *RANGES["output_padding"], default=0)
    view = Checked(one_of, VIEWS, default="forward")
    step = Checked(whole, 0)
    show_counts = traitlets.Bool(False).tag(sync=True, explorer=True)
    in_channels = Checked(whole, *CHANNELS, default=3)
    out_channels = Checked(whole, *CHANNELS, default=16)
    groups = Checked(whole, *CHANNELS, default=1)
    output = traitlets.Any(read_only=True)

    # --- defaults, checks, and what follows

    @traitlets.default("step")
    def _middle_step(self):
        (rows, *_), (columns, *_) = self._sides()
        return (rows - 1) // 2 * columns + (columns - 1) // 2

    @traitlets.default("output")
    def _output_side(self):
        both = tuple(windows if self.view == "forward" else pixels for windows, pixels, _ in self._sides())
        return both if any(isinstance(getattr(self, name), tuple) for name in GEOMETRY) else both[0]

    @traitlets.validate("view", *GEOMETRY)
    def _check_geometry(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        settings = {other: getattr(self, other) for other in ("view", *GEOMETRY)} | {name: value}
        try:
            for axis in (0, 1):
                grid_sides(**{other: on_axis(each, axis) for other, each in settings.items()})
        except ValueError as error:
            if settings["view"] == "forward":
                del settings["output_padding"]
            others = ", ".join(f"{other}={settings[other]!r}" for other in settings if other != name)
            raise traitlets.TraitError(f"{name}={value!r} does not fit {others}: {error}") from None
        return value

    @traitlets.validate("in_channels", "out_channels", "groups")
    def _check_groups(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        counts = {other: getattr(self, other) for other in ("in_channels", "out_channels", "groups")}
        counts[name] = value
        groups = counts["groups"]
        for other in ("in_channels", "out_channels"):
            if counts[other] % groups:
                raise traitlets.TraitError(
                    f"{name}={value} does not fit: groups must divide in_channels and out_channels, "
                    f"and {other}={counts[other]} makes no {groups} equal groups"
                )
        return value

    @traitlets.validate("step")
    def _check_step(self, proposal):
        try:
            last = self._last_step()
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
        self.step = min(self.step, self._last_step())

    # --- results

    def _settings(self, axis):
        """The view and the numbers of an axis."""
        return {name: on_axis(getattr(self, name), axis) for name in ("view", *GEOMETRY)}

    def _sides(self):
        """(windows, pixels, grid) of the height and of the width."""
        return [grid_sides(**self._settings(axis)) for axis in (0, 1)]

    def _last_step(self):
        (rows, *_), (columns, *_) = self._sides()
        return rows * columns - 1

    def counts(self):
        """How often each pixel of the input is read → int (H, W); transposed, products in each output → (H′, W′)."""
        return np.outer(self._counts(0), self._counts(1))

    def _counts(self, axis):
        """The same along one axis: the window lies on i·s + u·d − p for u = 0 … k − 1."""
        windows, pixels, _ = self._sides()[axis]
        one = self._settings(axis)
        counts = np.zeros(pixels, dtype=int)
        for window in range(windows):
            taps = window * one["stride"] + np.arange(one["kernel"]) * one["dilation"] - one["padding"]
            counts[taps[(taps >= 0) & (taps < pixels)]] += 1
        return counts

    def weights(self):
        """O · C / groups · k², without bias."""
        taps = on_axis(self.kernel, 0) * on_axis(self.kernel, 1)
        return self.out_channels * self.in_channels // self.groups * taps

    def multiply_adds(self):
        """For one image, as they are usually counted, with the zeros of the padding: O · C / groups · k² a window."""
        return self.weights() * (self._last_step() + 1)

    # --- where no script runs

    def description(self):
        """The still picture in words."""
        forward = self.view == "forward"
        padded = any(np.ravel(self.padding))
        border = f" with {by(self.padding)} of padding around it" if padded else ""
        cropped = f", with {by(self.padding)} cropped on every side" if padded else ""
        added = f" and {by(self.output_padding)} added" if any(np.ravel(self.output_padding)) else ""
        apart = isinstance(self.output, tuple)
        side = {name: by(tuple(on_axis(getattr(self, name), axis) for axis in (0, 1)))
                for name in ("input", "kernel", "output")}  # fmt: skip
        verb = "read" if forward else "written to"
        never = [[str(index) for index in np.flatnonzero(self._counts(axis) == 0)] for axis in (0, 1)]
        words = ["row", "column"] if apart else ["row and column"]
        lines = [
            f"{word if len(gaps) == 1 else word.replace('row', 'rows').replace('column', 'columns')} {', '.join(gaps)}"
            for word, gaps in zip(words, never, strict=False)
            if gaps
        ]
        covered = f"Never {verb}: {'; '.join(lines)}." if lines else f"Every pixel is {verb}."
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        return (
            f"{'A' if forward else 'A transposed'} convolution as two grids. "
            f"Input: {side['input']} pixels{border if forward else ''}. "
            f"Kernel {side['kernel']}, stride {by(self.stride)}, dilation {by(self.dilation)}. "
            f"Output: {side['output']}{'' if forward else cropped + added}. {covered} "
            f"From {self.in_channels} to {self.out_channels} channels{groups}: {self.weights():,} weights, "
            f"{self.multiply_adds():,} multiply-adds."
        )
