"""ShapeExplorer in Python: its arithmetic is torch's, its traits are checked, and it links in a real kernel."""

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cnncourse import scratch
from cnncourse.widgets import ShapeExplorer, stylesheet
from cnncourse.widgets.shape import GEOMETRY, LARGEST_GRID, RANGES, grid_sides

EVERY_SETTING = st.fixed_dictionaries({name: st.integers(*RANGES[name]) for name in GEOMETRY})


def torch_output(view, input, kernel, output_padding, **options):
    """How torch answers ones with a kernel of ones → (H′, W′), and the gradient at the input. Numbers or pairs."""
    x = torch.ones(1, 1, *np.broadcast_to(input, 2), requires_grad=True)
    operation = functional.conv2d if view == "forward" else functional.conv_transpose2d
    if view == "transposed":
        options["output_padding"] = output_padding
    y = operation(x, torch.ones(1, 1, *np.broadcast_to(kernel, 2)), **options)
    y.sum().backward()
    return y[0, 0].detach(), x.grad[0, 0]


def empty_in_torch(input, kernel, stride, padding, dilation, output_padding):
    """torch lets a transposed convolution answer with no pixel at all, though not with fewer."""
    return padding * 2 == (input - 1) * stride + dilation * (kernel - 1) + output_padding + 1


# --- the arithmetic -----------------------------------------------------------------------------------------------


def test_sizes_by_hand():
    assert ShapeExplorer(input=7, kernel=3, stride=1, padding=0).output == 7 - 3 + 1
    assert (
        ShapeExplorer(input=8, kernel=3, stride=2, padding=0).output == 3
    )  # 0-2, 2-4, 4-6; pixel 7 is left over
    assert ShapeExplorer(input=9, kernel=3, stride=1, padding=2, dilation=2).output == 9
    assert ShapeExplorer(input=4, kernel=4, stride=2, padding=1, view="transposed").output == 8


@settings(max_examples=150, deadline=None)
@given(EVERY_SETTING, st.sampled_from(["forward", "transposed"]))
def test_what_fits_fits_in_torch_and_has_its_size(values, view):
    try:
        windows, pixels, grid = grid_sides(view, **values)
    except ValueError as error:
        if "at most 32 are shown" in str(error):
            before, after = values["padding"], max(0, values["padding"] - values["output_padding"])
            assert before + torch_output(view, **values)[0].shape[0] + after > LARGEST_GRID
            return
        if view == "transposed" and "crops" in str(error) and empty_in_torch(**values):
            return
        with pytest.raises(RuntimeError):
            torch_output(view, **values)
        return
    assert min(windows, pixels) >= 1
    output, _ = torch_output(view, **values)
    assert tuple(output.shape) == ((windows,) * 2 if view == "forward" else (pixels,) * 2)
    added = values["output_padding"] if view == "transposed" else 0
    assert grid == values["padding"] + pixels + max(0, values["padding"] - added) <= LARGEST_GRID
    if view == "forward":
        expected = scratch.conv_output_size(*(values[name] for name in GEOMETRY[:5]))
        assert windows == expected


@pytest.mark.parametrize(
    "values",
    [
        dict(),
        dict(input=8, padding=0),
        dict(input=9, stride=1, padding=2, dilation=2),
        dict(input=10, stride=2, padding=0, dilation=2),
        dict(input=16, kernel=7, stride=4, padding=2),
        dict(input=16, kernel=2, stride=4, padding=0),
        dict(input=1, kernel=3, stride=3, padding=6),
    ],
    ids=str,
)
def test_counts_are_what_torch_counts(values):
    """With ones in the kernel, the gradient of the sum of the outputs is how often each input was read."""
    explorer = ShapeExplorer(**values)
    geometry = {name: getattr(explorer, name) for name in GEOMETRY}
    np.testing.assert_array_equal(explorer.counts(), torch_output("forward", **geometry)[1])

    # transposed, with ones in the input, the output itself says how many products it sums
    geometry["input"] = min(geometry["input"], 5)
    geometry["padding"] = min(geometry["padding"], 1)
    explorer = ShapeExplorer(view="transposed", **geometry)
    np.testing.assert_array_equal(explorer.counts(), torch_output("transposed", **geometry)[0])


PAIRS = st.fixed_dictionaries(
    {
        name: st.one_of(st.integers(*RANGES[name]), st.tuples(*2 * [st.integers(*RANGES[name])]))
        for name in GEOMETRY
    }
)


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.sampled_from(["forward", "transposed"]))
def test_numbers_and_pairs_are_accepted_where_torch_accepts_them(values, view):
    """The explorer refuses what torch refuses, and beyond that only what is too large to show or has no pixel."""
    axes = [
        {name: value[axis] if isinstance(value, tuple) else value for name, value in values.items()}
        for axis in (0, 1)
    ]
    try:
        explorer = ShapeExplorer(view=view, step=0, **values)
    except traitlets.TraitError as error:
        if "at most 32 are shown" in str(error) or (
            view == "transposed" and any(empty_in_torch(**axis) for axis in axes)
        ):
            return
        with pytest.raises(RuntimeError):
            torch_output(view, **values)
        return
    output, gradient = torch_output(view, **values)
    apart = any(isinstance(value, tuple) for value in values.values())
    assert explorer.output == (tuple(output.shape) if apart else output.shape[0])
    np.testing.assert_array_equal(explorer.counts(), gradient if view == "forward" else output)
    assert {name: getattr(explorer, name) for name in GEOMETRY} == values


def test_output_padding_chooses_among_the_sizes_that_a_convolution_brings_to_one():
    for added in (0, 1, 2):
        explorer = ShapeExplorer(view="transposed", input=4, kernel=3, stride=3, output_padding=added)
        layer = torch.nn.ConvTranspose2d(1, 1, 3, stride=3, padding=1, output_padding=added)
        assert layer(torch.zeros(1, 1, 4, 4)).shape[-1] == explorer.output == 3 * 3 - 2 + 3 + added
        assert scratch.conv_output_size(explorer.output, 3, 3, 1) == 4


@pytest.mark.parametrize("view", ["forward", "transposed"])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_groups_cost_what_torch_counts(view, groups):
    values = dict(input=(6, 5), kernel=(4, 1), stride=(2, 1), padding=(1, 0))
    explorer = ShapeExplorer(view=view, in_channels=6, out_channels=12, groups=groups, **values)
    layer = torch.nn.Conv2d if view == "forward" else torch.nn.ConvTranspose2d
    layer = layer(6, 12, (4, 1), stride=(2, 1), padding=(1, 0), groups=groups, bias=False)
    with FlopCounterMode(display=False) as counter:
        output = layer(torch.zeros(1, 6, 6, 5))
    assert explorer.weights() == layer.weight.numel()
    assert explorer.multiply_adds() == counter.get_total_flops() // 2
    assert explorer.output == tuple(output.shape[2:])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 24))
def test_groups_are_legal_where_they_are_in_torch(channels_in, channels_out, groups):
    values = dict(in_channels=channels_in, out_channels=channels_out, groups=groups)
    try:
        torch.nn.Conv2d(channels_in, channels_out, 3, groups=groups)
    except ValueError:
        with pytest.raises(traitlets.TraitError, match="groups must divide in_channels and out_channels"):
            ShapeExplorer(**values)
    else:
        assert ShapeExplorer(**values).groups == groups


def test_a_pair_of_equal_numbers_stays_a_pair():
    explorer = ShapeExplorer(input=8, kernel=(3, 3), stride=1, padding=[1, 0])
    assert (explorer.input, explorer.kernel, explorer.padding) == (8, (3, 3), (1, 0))
    assert explorer.output == (8, 6)
    explorer.kernel, explorer.padding = 3, 1
    assert explorer.output == 8
    assert divmod(ShapeExplorer(input=(7, 5), kernel=3, stride=1, padding=0).step, 3) == (2, 1)


@pytest.mark.parametrize("view", ["forward", "transposed"])
def test_cost_is_what_torch_counts(view):
    explorer = ShapeExplorer(view=view, input=6, kernel=4, stride=2, in_channels=5, out_channels=7)
    layer = torch.nn.Conv2d if view == "forward" else torch.nn.ConvTranspose2d
    layer = layer(5, 7, 4, stride=2, padding=1, bias=False)
    with FlopCounterMode(display=False) as counter:
        output = layer(torch.zeros(1, 5, 6, 6))
    assert explorer.weights() == layer.weight.numel()
    assert explorer.multiply_adds() == counter.get_total_flops() // 2
    assert explorer.output == output.shape[-1]


# --- traits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("input", 0, "input must be a whole number from 1 to 16, got 0"),
        ("input", 17, "input must be a whole number from 1 to 16, got 17"),
        ("input", 7.0, "input must be a whole number from 1 to 16, got 7.0"),
        ("kernel", 8, "kernel must be a whole number from 1 to 7, got 8"),
        ("kernel", "3", "kernel must be a whole number from 1 to 7, got '3'"),
        ("stride", 5, "stride must be a whole number from 1 to 4, got 5"),
        ("stride", True, "stride must be a whole number from 1 to 4, got True"),
        ("padding", -1, "padding must be a whole number from 0 to 6, got -1"),
        ("dilation", None, "dilation must be a whole number from 1 to 4, got None"),
        ("in_channels", 0, "in_channels must be a whole number from 1 to 4096, got 0"),
        ("out_channels", 4097, "out_channels must be a whole number from 1 to 4096, got 4097"),
        ("step", -1, "step must be a whole number from 0, got -1"),
        ("step", 16, "step must be a whole number from 0 to 15, the last window, got 16"),
        ("view", "backward", "view must be one of forward, transposed, got 'backward'"),
        ("show_counts", "yes", "show_counts"),
        ("kernel", (3, 8), "the width of kernel must be a whole number from 1 to 7, got 8"),
        ("padding", (-1, 0), "the height of padding must be a whole number from 0 to 6, got -1"),
        (
            "stride",
            (1, 2, 3),
            r"stride must be a whole number from 1 to 4 or a pair of them, got \(1, 2, 3\)",
        ),
        ("output_padding", 4, "output_padding must be a whole number from 0 to 3, got 4"),
        ("groups", 0, "groups must be a whole number from 1 to 4096, got 0"),
        ("groups", 3, "groups=3 does not fit: .* and out_channels=16 makes no 3 equal groups"),
        (
            "dilation",
            4,
            r"does not fit .*: the kernel spans 4·\(3 − 1\) \+ 1 = 9 pixels, and the padded input has 6 \+ 2·0 = 6",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name, value, words):
    start = {"input": 6, "padding": 0} if "fit" in words else {}
    explorer = ShapeExplorer(**start)
    before = explorer.state()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(traitlets.TraitError, match=words):
        ShapeExplorer(**(start | {name: value}))


def test_what_does_not_fit_together_is_refused_with_the_reason():
    with pytest.raises(
        traitlets.TraitError,
        match=r"^kernel=7 does not fit view='forward', input=3, stride=2, padding=1, dilation=1: the kernel spans "
        r"1·\(7 − 1\) \+ 1 = 7 pixels, and the padded input has 3 \+ 2·1 = 5$",
    ):
        ShapeExplorer(input=3).kernel = 7
    explorer = ShapeExplorer(view="transposed", input=2, kernel=2, stride=1, padding=0)
    with pytest.raises(traitlets.TraitError, match="crops 2·2 of the 3 pixels, and nothing is left"):
        explorer.padding = 2
    explorer.stride = 4
    with pytest.raises(
        traitlets.TraitError, match=r"\(9 − 1\)·4 \+ 1·\(2 − 1\) \+ 1 = 34 .* at most 32 are shown"
    ):
        explorer.input = 9
    with pytest.raises(traitlets.TraitError, match="view='forward' does not fit input=1"):
        ShapeExplorer(view="transposed", input=1, kernel=3, padding=0).view = "forward"
    with pytest.raises(traitlets.TraitError, match="does not fit"):
        ShapeExplorer(step=3, input=3, kernel=7)
    with pytest.raises(
        traitlets.TraitError, match="output padding 2 is smaller than neither stride 2 nor dilation 1"
    ):
        ShapeExplorer(view="transposed", stride=2).output_padding = 2
    assert ShapeExplorer(output_padding=3).output == 4  # a convolution has none
    with pytest.raises(
        traitlets.TraitError, match=r"kernel=\(3, 7\) does not fit .* spans 1·\(7 − 1\) \+ 1 = 7 pixels"
    ):
        ShapeExplorer(input=(9, 3), padding=0).kernel = (3, 7)


def test_settings_that_only_fit_together_are_set_together():
    explorer = ShapeExplorer(input=3, kernel=3, padding=0)
    with explorer.hold_trait_notifications():
        explorer.kernel, explorer.input = 7, 9
    assert (explorer.input, explorer.kernel, explorer.output) == (9, 7, 2)
    with pytest.raises(traitlets.TraitError, match="does not fit"), explorer.hold_trait_notifications():
        explorer.kernel, explorer.input = 5, 4
    assert (explorer.input, explorer.kernel, explorer.output) == (9, 7, 2)


def test_the_output_follows_and_can_be_observed_but_not_set():
    explorer = ShapeExplorer(input=7, kernel=3, stride=1, padding=0)
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]), "output")
    explorer.padding = 1
    explorer.stride = 2
    explorer.view = "transposed"
    assert seen == [7, 4, 13]
    with pytest.raises(traitlets.TraitError, match="read-only"):
        explorer.output = 3
    with pytest.raises(
        TypeError, match=r"does not know output; it knows dilation, groups, in_channels, input, kernel"
    ):
        ShapeExplorer(output=3)


def test_the_step_starts_in_the_middle_and_stays_inside():
    explorer = ShapeExplorer(input=7, kernel=3, stride=1, padding=1)
    assert divmod(explorer.step, 7) == (3, 3)
    explorer.step = 48
    explorer.stride = 4
    assert explorer.step == 2 * 2 - 1
    assert ShapeExplorer(step=0).step == 0
    assert ShapeExplorer(input=1, kernel=1, padding=0).step == 0


# --- the page's representation ------------------------------------------------------------------------------------


# --- with a kernel --------------------------------------------------------------------------------------------------


def test_traits_link_to_plain_controls_in_a_real_kernel(kernel):
    _, messages = kernel.run(
        "import ipywidgets\n"
        "from cnncourse.widgets import ShapeExplorer\n"
        "shapes = ShapeExplorer(input=8, kernel=3, stride=1, padding=0)\n"
        "slider = ipywidgets.IntSlider(value=1, min=1, max=4)\n"
        "label = ipywidgets.Label()\n"
        "ipywidgets.link((slider, 'value'), (shapes, 'stride'))\n"
        "ipywidgets.dlink((shapes, 'output'), (label, 'value'), str)\n"
        "shapes"
    )
    opened = {
        message["comm_id"]: message["data"]["state"] for message in messages if "target_name" in message
    }
    model, _ = kernel.run("print(shapes.model_id)")
    assert opened[model]["_esm"] == ShapeExplorer.module_source()
    assert opened[model]["_css"] == stylesheet()
    assert (opened[model]["input"], opened[model]["step"]) == (8, 14)

    # from the slider to the explorer, and on to its front end and to the label
    text, messages = kernel.run("slider.value = 2; print(shapes.stride, shapes.output, label.value)")
    assert text == "2 3 3"
    sent = [message["data"]["state"] for message in messages if message["comm_id"] == model]
    assert {"stride": 2} in sent and {"step": 8} in sent

    # from the explorer's front end: settings that only fit together, as one message
    kernel.send(model, {"view": "forward", "kernel": 7, "input": 16, "dilation": 2, "stride": 1, "step": 15})
    text, _ = kernel.run("print(slider.value, label.value, shapes.kernel, shapes.input, shapes.step)")
    assert text == "1 4 7 16 15"

    # what does not fit is refused, and nothing has changed
    text, _ = kernel.run(
        "try:\n    shapes.dilation = 3\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
        "print(shapes.dilation, label.value)"
    )
    assert text == (
        "TraitError dilation=3 does not fit view='forward', input=16, kernel=7, stride=1, padding=0: "
        "the kernel spans 3·(7 − 1) + 1 = 19 pixels, "
        "and the padded input has 16 + 2·0 = 16\n2 4"
    )
