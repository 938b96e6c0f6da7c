"""cnncourse.scratch.convolution against torch, SciPy, central differences, and arithmetic left visible."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnncourse.scratch import convolution
from cnncourse.scratch.convolution import (
    METHODS,
    PADDING_MODES,
    col2im,
    conv2d,
    conv2d_backward,
    conv_output_size,
    convolve,
    cross_correlate,
    im2col,
    pad,
)

TORCH_MODES = {"zeros": "constant"}  # the other names are the same in F.pad

examples = settings(max_examples=80, deadline=None)


def one_or_two(low, high):
    numbers = st.integers(low, high)
    return st.one_of(numbers, st.tuples(numbers, numbers))


def as_pair(value):
    return value if isinstance(value, tuple) else (value, value)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def tensors(*arrays):
    return [torch.tensor(array, requires_grad=True) for array in arrays]


@st.composite
def sliding(draw, words=False):
    """A window and an image (H, W) that it fits: non-square, size 1, stride beyond the kernel, dilated."""
    how = {
        "stride": draw(one_or_two(1, 4)),
        "padding": draw(one_or_two(0, 3)),
        "dilation": draw(one_or_two(1, 3)),
    }
    kernel = draw(one_or_two(1, 4))
    if words and draw(st.booleans()):
        how["padding"] = draw(st.sampled_from(["same", "valid"]))
        if how["padding"] == "same":
            how["stride"] = 1
    before = (0, 0) if isinstance(how["padding"], str) else as_pair(how["padding"])
    size = []
    for k, d, p in zip(as_pair(kernel), as_pair(how["dilation"]), before, strict=True):
        least = max(1, d * (k - 1) + 1 - 2 * p) if how["padding"] != "same" else 1
        size.append(least + draw(st.integers(0, 4)))
    return kernel, tuple(size), how


@st.composite
def layers(draw):
    """The arguments of a conv2d, with groups and without a batch or a bias now and then."""
    kernel, size, how = draw(sliding(words=True))
    groups, c, o = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    lead = draw(st.sampled_from([(), (0,), (1,), (2,), (3,)]))
    seed = draw(st.integers(0, 2**32 - 1))
    x, weight = normal(seed, *lead, groups * c, *size), normal(seed + 1, groups * o, c, *as_pair(kernel))
    bias = draw(st.sampled_from([None, normal(seed + 2, groups * o), np.arange(float(groups * o))]))
    return x, weight, bias, how | {"groups": groups}


same_needs_a_copy = pytest.mark.filterwarnings(
    "ignore:Using padding='same'"
)  # torch says so for even kernels


# conv2d --------------------------------------------------------------------------------------------------------


def test_conv2d_is_its_equation():
    x = np.array([[[[1, 2, 3], [4, 5, 6]], [[0, 1, 0], [2, 0, 2]]]])  # (1, 2, 2, 3)
    w = np.array([[[[1, 10]], [[100, 1000]]]])  # (1, 2, 1, 2)
    expected = [
        [1 * 1 + 10 * 2 + 100 * 0 + 1000 * 1 + 7, 1 * 2 + 10 * 3 + 100 * 1 + 1000 * 0 + 7],
        [1 * 4 + 10 * 5 + 100 * 2 + 1000 * 0 + 7, 1 * 5 + 10 * 6 + 100 * 0 + 1000 * 2 + 7],
    ]
    for method in METHODS:
        np.testing.assert_array_equal(conv2d(x, w, [7], method=method), [[expected]])


@same_needs_a_copy
@pytest.mark.parametrize("method", METHODS)
@examples
@given(layers())
def test_conv2d_equals_torch(method, layer):
    x, weight, bias, how = layer
    expected = F.conv2d(
        torch.tensor(x), torch.tensor(weight), None if bias is None else torch.tensor(bias), **how
    )
    y = conv2d(x, weight, bias, **how, method=method)
    assert y.dtype == np.float64
    assert y.flags.writeable
    np.testing.assert_allclose(y, expected.numpy(), rtol=0, atol=1e-10, strict=True)


def test_the_default_method_is_one_of_the_three_and_the_settings_stand_in_torchs_order():
    x, w, b = normal(0, 2, 4, 9, 8), normal(1, 6, 2, 3, 2), normal(2, 6)
    expected = F.conv2d(*map(torch.tensor, (x, w, b)), (2, 1), (1, 2), (1, 3), 2).numpy()
    np.testing.assert_allclose(conv2d(x, w, b, (2, 1), (1, 2), (1, 3), 2), expected, atol=1e-12)
    np.testing.assert_array_equal(conv2d(x, w, b, groups=2, method="im2col"), conv2d(x, w, b, groups=2))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [np.ones((1, 1, 3, 3)), np.ones((1, 3, 3))], ids=["batch", "no batch"])
def test_a_method_is_the_one_asked_for(monkeypatch, method, x):
    called = []
    for name, compute in METHODS.items():
        monkeypatch.setitem(
            METHODS, name, lambda *a, name=name, compute=compute: called.append(name) or compute(*a)
        )
    conv2d(x, np.ones((1, 1, 2, 2)), method=method)
    assert called == [method]


@pytest.mark.parametrize("chunk", [1, 100, 400, 1500, 10**6])
@pytest.mark.parametrize("groups", [1, 3])
def test_im2col_in_chunks_of_rows_and_of_images_is_the_same(monkeypatch, chunk, groups):
    monkeypatch.setattr(convolution, "CHUNK", chunk)  # one image unfolds to 756 numbers: 6·3·2 by 7·3
    x, w, b = normal(0, 5, 6, 9, 4), normal(1, 3, 6 // groups, 3, 2), normal(2, 3)
    expected = F.conv2d(*map(torch.tensor, (x, w, b)), groups=groups).numpy()
    np.testing.assert_allclose(conv2d(x, w, b, groups=groups), expected, atol=1e-12)


def peak_of(compute):
    """How many bytes the computation held at most, its result included."""
    tracemalloc.start()
    compute()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_im2col_never_holds_all_columns():
    x, w = np.ones((1, 32, 112, 112), np.float32), np.ones((8, 32, 3, 3), np.float32)
    columns, result, padded = 4 * 9 * 32 * 112**2, 4 * 8 * 112**2, 4 * 32 * 114**2
    assert columns > 14e6
    assert peak_of(lambda: conv2d(x, w, padding=1)) < result + padded + 4 * convolution.CHUNK + 1e5


def test_a_1x1_convolution_copies_nothing():
    x, w = np.ones((2, 64, 56, 56), np.float32), np.ones((16, 64, 1, 1), np.float32)
    assert x.nbytes > 1.6e6
    assert peak_of(lambda: conv2d(x, w)) < 4 * 2 * 16 * 56**2 + 1e5
    np.testing.assert_array_equal(conv2d(x, w), np.full((2, 16, 56, 56), 64))


def test_the_worked_example_of_a_horizontal_edge():
    image = [[1, 2, 3, 0, 1], [0, 1, 2, 3, 0], [0, 0, 1, 2, 3], [1, 0, 0, 1, 2], [2, 1, 0, 0, 1]]
    kernel = [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]
    y = cross_correlate(image, kernel, padding=1)
    assert y.tolist() == [
        [1, 3, 6, 5, 3],
        [-3, -5, -2, 2, 4],
        [0, -2, -5, -2, 0],
        [3, 2, -2, -5, -4],
        [-1, -1, -1, -3, -3],
    ]
    assert y[0, 0] == (0 + 1) - (0 + 0)  # below minus above; above there are only the zeros of the padding
    assert y[1, 1] == (0 + 0 + 1) - (1 + 2 + 3)
    assert y[4, 4] == (0 + 0) - (1 + 2)


def test_the_shapes_of_a_color_batch():
    x, w = normal(0, 2, 3, 360, 480).astype(np.float32), normal(1, 4, 3, 3, 3).astype(np.float32)
    assert w.size == 4 * 3 * 3 * 3 == 108
    y = conv2d(x, w, padding=1)
    assert y.shape == (2, 4, 360, 480)
    np.testing.assert_allclose(y, F.conv2d(torch.tensor(x), torch.tensor(w), padding=1).numpy(), atol=1e-4)


def test_a_1x1_convolution_is_a_matrix_product_over_channels():
    x, w = normal(0, 2, 5, 4, 3), normal(1, 7, 5, 1, 1)
    by_hand = (x.transpose(0, 2, 3, 1) @ w[:, :, 0, 0].T).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(conv2d(x, w), by_hand, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x", "weight", "result"),
    [
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        ("float32", "float64", "float64"),
        ("float16", "float16", "float64"),
        ("uint8", "int8", "float64"),
        ("int64", "float32", "float64"),
        (">f4", "float32", "float64"),
    ],
)
def test_float32_stays_and_everything_else_becomes_float64(method, x, weight, result):
    x, weight = np.full((1, 2, 3, 3), 100).astype(x), np.full((1, 2, 2, 2), 100).astype(weight)
    y = conv2d(x, weight, method=method)
    assert y.dtype == result
    np.testing.assert_array_equal(
        y, np.full((1, 1, 2, 2), 8 * 100 * 100)
    )  # far above 255 and float16's 65,504


def test_float32_is_as_exact_as_torchs():
    x, w, b = (
        normal(i, *shape).astype("f") for i, shape in enumerate([(2, 16, 20, 20), (8, 16, 3, 3), (8,)])
    )
    expected = F.conv2d(*(torch.tensor(a).double() for a in (x, w, b)), padding=1).numpy()
    for method in ("windows", "im2col"):
        y = conv2d(x, w, b, padding=1, method=method)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_any_memory_layout_will_do(method):
    x, w = normal(0, 5, 4, 2, 3).T, np.asfortranarray(normal(1, 3, 4, 2, 2)[::-1, ::2, ::-1])
    x, w = x[..., ::-1], w[..., ::-1]
    expected = conv2d(x.copy(), w.copy(), method="loops")
    np.testing.assert_allclose(conv2d(x, w, method=method), expected, atol=1e-12)
    np.testing.assert_allclose(conv2d(x.tolist(), w.tolist(), method=method), expected, atol=1e-12)


def test_nothing_is_written_into_and_nothing_is_shared():
    """Read-only arguments: writing into one would raise; a result that shows one would change with it."""
    x, w, b, g = normal(0, 1, 2, 4, 4), normal(1, 2, 2, 1, 1), np.zeros(2), normal(3, 1, 2, 4, 4)
    columns = normal(4, 1, 2, 16)
    for array in (x, w, b, g, columns):
        array.flags.writeable = False
    identity = np.eye(2).reshape(2, 2, 1, 1)
    results = [
        *(conv2d(x, w, b, method=method) for method in METHODS),
        *(conv2d(x, identity, method=method) for method in METHODS),
        *conv2d_backward(g, x, w),
        im2col(x, 1),
        im2col(x[0], 1),
        col2im(columns, 4, 1),
        cross_correlate(x[0, 0], w[0, 0]),
        convolve(x[0, 0], w[0, 0]),
        *(pad(x, 0, mode) for mode in PADDING_MODES),
    ]
    for result in results:
        assert result.flags.writeable
        assert not any(np.shares_memory(result, array) for array in (x, w, b, g, columns))


# Sizes ---------------------------------------------------------------------------------------------------------


def test_output_sizes_by_hand():
    assert conv_output_size((224, 224), 7, stride=2, padding=3) == (112, 112)
    assert conv_output_size(224, 11, 4, 2) == (224 + 2 * 2 - 11) // 4 + 1 == 55
    assert conv_output_size(224, 11, 4) == 54  # without the padding the 2012 network does not get its 55
    assert conv_output_size(32, 5) == 28
    assert conv_output_size(7, 3, dilation=3) == 7 - (3 * 2 + 1) + 1 == 1
    assert conv_output_size((5, 9), (3, 5), (2, 1), (0, 2), (2, 1)) == (1, 9)
    assert conv_output_size(6, (3, 5)) == (4, 2)
    assert conv_output_size([6, 7], 3) == (4, 5)
    assert isinstance(conv_output_size(np.int64(6), 3), int)


@examples
@given(sliding())
def test_output_size_equals_torchs(window):
    kernel, size, how = window
    y = F.conv2d(torch.zeros(1, 1, *size), torch.zeros(1, 1, *as_pair(kernel)), **how)
    assert conv_output_size(size, kernel, **how) == tuple(y.shape[2:])


# Padding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", PADDING_MODES)
@examples
@given(
    lead=st.sampled_from([(2,), (1, 2)]), size=st.tuples(*[st.integers(1, 5)] * 2), padding=one_or_two(0, 6)
)
def test_padding_equals_torchs_and_has_the_same_limits(mode, lead, size, padding):
    x, (p_h, p_w) = normal(0, *lead, *size), as_pair(padding)
    try:
        expected = F.pad(torch.tensor(x), (p_w, p_w, p_h, p_h), TORCH_MODES.get(mode, mode)).numpy()
    except RuntimeError:
        assert mode in ("reflect", "circular")
        with pytest.raises(ValueError, match=f"padding must be at most .* for mode '{mode}'"):
            pad(x, padding, mode)
    else:
        np.testing.assert_array_equal(pad(x, padding, mode), expected, strict=True)


def test_padding_by_hand():
    row = np.array([[1, 2, 3]], dtype=np.uint8)
    assert pad(row, (0, 2)).tolist() == [[0, 0, 1, 2, 3, 0, 0]]
    assert pad(row, (0, 2), "reflect").tolist() == [[3, 2, 1, 2, 3, 2, 1]]
    assert pad(row, (0, 2), "replicate").tolist() == [[1, 1, 1, 2, 3, 3, 3]]
    assert pad(row, (0, 2), "circular").tolist() == [[2, 3, 1, 2, 3, 1, 2]]
    assert pad(row, 1).tolist() == [[0] * 5, [0, 1, 2, 3, 0], [0] * 5]
    assert pad(row, 1).dtype == np.uint8
    assert pad(normal(0, 2, 3, 4, 5, 6), (1, 2)).shape == (2, 3, 4, 7, 10)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_an_empty_axis_can_only_get_zeros(mode):
    assert pad(np.ones((2, 0)), 0, mode).shape == (2, 0)
    if mode == "zeros":
        assert pad(np.ones((2, 0)), 1).tolist() == [[0, 0]] * 4
    else:
        with pytest.raises(
            ValueError, match=f"padding must be at most 0 for mode '{mode}' and size 0, got 1"
        ):
            pad(np.ones((2, 0)), (0, 1), mode)


# im2col and col2im ---------------------------------------------------------------------------------------------


@examples
@given(sliding(), st.sampled_from([(2,), (1, 1), (2, 3), (0, 2)]))
def test_im2col_and_col2im_equal_torchs_unfold_and_fold(window, lead):
    kernel, size, how = window
    x = normal(0, *lead, *size)
    columns = im2col(x, kernel, **how)
    if 0 not in lead:  # torch refuses an empty batch here
        np.testing.assert_array_equal(columns, F.unfold(torch.tensor(x), kernel, **how).numpy(), strict=True)
    other = normal(1, *columns.shape)
    image = col2im(other, size, kernel, **how)
    if 0 not in lead:
        expected = F.fold(torch.tensor(other), size, kernel, **how).numpy()
        np.testing.assert_allclose(image, expected, rtol=0, atol=1e-12, strict=True)
    # Each is the adjoint of the other: ⟨im2col(x), other⟩ = ⟨x, col2im(other)⟩.
    assert image.shape == x.shape
    assert math.isclose(np.sum(columns * other), np.sum(x * image), abs_tol=1e-10)


def test_im2col_and_col2im_take_torchs_order_of_settings():
    x = normal(0, 1, 2, 9, 8)
    columns = im2col(x, (3, 2), (1, 2), (2, 1), (2, 3))
    np.testing.assert_array_equal(columns, F.unfold(torch.tensor(x), (3, 2), (1, 2), (2, 1), (2, 3)).numpy())
    expected = F.fold(torch.tensor(columns), (9, 8), (3, 2), (1, 2), (2, 1), (2, 3)).numpy()
    np.testing.assert_allclose(col2im(columns, (9, 8), (3, 2), (1, 2), (2, 1), (2, 3)), expected, atol=1e-12)


def test_im2col_by_hand():
    x = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8)
    columns = im2col(x, 2)
    assert columns.tolist() == [[1, 2], [2, 3], [4, 5], [5, 6]]  # one window, 1 2 4 5, and the next, 2 3 5 6
    assert columns.dtype == np.uint8
    assert col2im(columns, (2, 3), 2).tolist() == [
        [[1, 2 + 2, 3], [4, 5 + 5, 6]]
    ]  # the middle was read twice
    bright = col2im(np.full((4, 2), 200, dtype=np.uint8), (2, 3), 2)
    assert bright.tolist() == [[[200, 400, 200], [200, 400, 200]]]
    assert bright.dtype == np.float64
    assert col2im(np.ones((4, 2), np.float32), (2, 3), 2).dtype == np.float32


# The gradients -------------------------------------------------------------------------------------------------


@same_needs_a_copy
@examples
@given(layers())
def test_conv2d_backward_equals_autograd(layer):
    x, weight, bias, how = layer
    inputs = tensors(x, weight, np.zeros(len(weight)) if bias is None else bias)
    y = F.conv2d(*inputs, **how)
    grad_output = normal(0, *y.shape)
    y.backward(torch.tensor(grad_output))
    grads = conv2d_backward(grad_output, x, weight, **how)
    for name, grad, tensor in zip(("x", "weight", "bias"), grads, inputs, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=0, atol=1e-10, strict=True, err_msg=name)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stride": (2, 3), "padding": (2, 1), "dilation": (1, 2)},
        {"padding": "same", "dilation": 2, "groups": 2},
    ],
)
def test_conv2d_backward_equals_central_differences(how):
    inputs = [normal(0, 2, 2, 5, 6), normal(1, 4, 2 // how.get("groups", 1), 3, 2), normal(2, 4)]
    grad_output = normal(3, *conv2d(*inputs, **how).shape)
    grads = conv2d_backward(grad_output, *inputs[:2], **how)
    for i, grad in enumerate(grads):
        for place in np.ndindex(grad.shape):
            losses = []
            for h in (
                1e-4,
                -1e-4,
            ):  # the loss is linear in each number, so the difference has no error but rounding
                changed = [array.copy() for array in inputs]
                changed[i][place] += h
                losses.append(np.sum(grad_output * conv2d(*changed, **how)))
            assert math.isclose(grad[place], (losses[0] - losses[1]) / 2e-4, abs_tol=1e-8)


def test_conv2d_backward_keeps_float32_and_the_order_of_settings():
    x, w = normal(0, 1, 4, 8, 9).astype("f"), normal(1, 6, 2, 3, 2).astype("f")
    tx, tw = tensors(x, w)
    y = F.conv2d(tx, tw, None, (2, 1), (1, 2), (1, 3), 2)
    y.sum().backward()
    grads = conv2d_backward(np.ones(y.shape, np.float32), x, w, (2, 1), (1, 2), (1, 3), 2)
    assert [grad.dtype for grad in grads] == [np.float32] * 3
    np.testing.assert_allclose(grads[0], tx.grad.numpy(), atol=1e-5)
    np.testing.assert_allclose(grads[1], tw.grad.numpy(), atol=1e-4)
    assert conv2d_backward(np.ones(y.shape), x, w, (2, 1), (1, 2), (1, 3), 2)[0].dtype == np.float64


# One channel ---------------------------------------------------------------------------------------------------


@examples
@given(st.tuples(*[st.integers(1, 4)] * 2), st.tuples(*[st.integers(0, 4)] * 2), st.integers(0, 99))
def test_one_channel_equals_scipy(kernel_size, more, seed):
    image = normal(seed, *(k + m for k, m in zip(kernel_size, more, strict=True)))
    kernel = normal(seed + 1, *kernel_size)
    full = tuple(k - 1 for k in kernel_size)  # every partial overlap
    for ours, theirs in ((cross_correlate, scipy.signal.correlate2d), (convolve, scipy.signal.convolve2d)):
        np.testing.assert_allclose(
            ours(image, kernel), theirs(image, kernel, "valid"), atol=1e-12, strict=True
        )
        np.testing.assert_allclose(
            ours(image, kernel, 1, full), theirs(image, kernel), atol=1e-12, strict=True
        )
        expected = theirs(image, kernel)[::2, ::3]
        np.testing.assert_allclose(ours(image, kernel, (2, 3), full), expected, atol=1e-12, strict=True)


def test_convolution_flips_the_kernel():
    dot, kernel = np.zeros((5, 5)), np.arange(9).reshape(3, 3)
    dot[2, 2] = 1
    assert convolve(dot, kernel).tolist() == kernel.tolist()  # it puts the kernel where the dot is,
    assert (
        cross_correlate(dot, kernel).tolist() == kernel[::-1, ::-1].tolist()
    )  # and correlation its mirror image
    prewitt = [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]  # whose mirror image is its negative
    image = normal(0, 6, 7)
    np.testing.assert_allclose(convolve(image, prewitt), -cross_correlate(image, prewitt), atol=1e-12)


def test_bytes_do_not_overflow():
    image = np.full((3, 3), 255, dtype=np.uint8)
    for operation in (cross_correlate, convolve):
        y = operation(image, np.full((3, 3), -1, dtype=np.int8))
        assert y.tolist() == [[-9 * 255]]
        assert y.dtype == np.float64
    assert cross_correlate(image.astype("f"), np.ones((2, 2), "f"), padding="same").dtype == np.float32


# Errors --------------------------------------------------------------------------------------------------------

X, W, G = np.zeros((2, 4, 6, 6)), np.zeros((6, 4, 3, 3)), np.zeros((2, 6, 4, 4))
IMAGE, EDGE, COLUMNS = np.zeros((6, 6)), np.zeros((3, 3)), np.zeros((2, 36, 16))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conv2d(IMAGE, W), r"x must have shape \(N, C, H, W\) or \(C, H, W\), got 2 dim.*\(6, 6\)"),
        (lambda: conv2d(X, EDGE), r"weight must have shape \(O, C/groups, k_h, k_w\), got 2 dimensions"),
        (lambda: conv2d(X, W[:, :3]), r"x must have 3 channels, .* got 4 in shape \(2, 4, 6, 6\)"),
        (lambda: conv2d(X, W, groups=2), r"x must have 8 channels, groups=2 times the 4 of weight .* got 4"),
        (lambda: conv2d(X, W[:, :1], groups=4), "groups must divide the 6 output channels of weight, got 4"),
        (lambda: conv2d(X, W, groups=0), "groups must be at least 1, got 0"),
        (lambda: conv2d(X, W[:0]), r"weight must not be empty, got shape \(0, 4, 3, 3\)"),
        (lambda: conv2d(X, W, np.zeros(5)), r"bias must have shape \(6,\), one number .* got shape \(5,\)"),
        (lambda: conv2d(X, W, np.zeros((6, 1))), r"bias must have shape \(6,\), .* got shape \(6, 1\)"),
        (lambda: conv2d(X, W, 0.0), r"bias must have shape \(6,\), .* got shape \(\)"),
        (lambda: conv2d(X, W, stride=0), "stride must be at least 1, got 0"),
        (lambda: conv2d(X, W, stride=(1, -2)), r"stride\[1\] must be at least 1, got -2"),
        (lambda: conv2d(X, W, stride=(1, 2, 3)), r"stride must be an integer or a pair .* got \(1, 2, 3\)"),
        (lambda: conv2d(X, W, padding=-1), "padding must be at least 0, got -1"),
        (lambda: conv2d(X, W, padding="full"), "padding must be one of valid, same, got 'full'"),
        (lambda: conv2d(X, W, stride=2, padding="same"), r"padding 'same' needs stride 1, got stride \(2, 2\)"),
        (lambda: conv2d(X, W, dilation=0), "dilation must be at least 1, got 0"),
        (lambda: conv2d(X, W, dilation=3), r"window must fit: kernel_size 3 with dilation 3 spans 7, but size 6"),
        (lambda: conv2d(X[..., :1], W, padding=(0, 0)), r"spans 3, but size 1 with padding 0 \+ 0 is only 1"),
        (lambda: conv2d(X, W, method="fft"), "method must be one of loops, windows, im2col, got 'fft'"),
        (lambda: conv2d_backward(G[:1], X, W), r"grad_output must have shape \(2, 6, 4, 4\), that of the output"),
        (lambda: conv2d_backward(G, X, W, 2), r"grad_output must have shape \(2, 6, 2, 2\), .* got .*\(2, 6, 4, 4\)"),
        (lambda: conv2d_backward(G, X[0], W), r"grad_output must have shape \(O, H', W'\), got 4 dimensions"),
        (lambda: conv2d_backward(G, X, W, groups=2), "x must have 8 channels"),
        (lambda: cross_correlate(X, EDGE), r"image must have shape \(H, W\), got 4 dimensions"),
        (lambda: cross_correlate(IMAGE, W), r"kernel must have shape \(k_h, k_w\), got 4 dimensions"),
        (lambda: convolve(IMAGE, W), r"kernel must have shape \(k_h, k_w\), got 4 dimensions"),
        (lambda: cross_correlate(EDGE, IMAGE), "kernel_size 6 with dilation 1 spans 6, but size 3"),
        (lambda: cross_correlate(IMAGE, EDGE[:0]), "must not be empty"),
        (lambda: conv_output_size(2, 3), r"kernel_size 3 with dilation 1 spans 3, but size 2 with padding 0 \+ 0 is"),
        (lambda: conv_output_size((9, 2), 3), "spans 3, but size 2"),
        (lambda: conv_output_size(0, 1), "size must be at least 1, got 0"),
        (lambda: conv_output_size(5, 0), "kernel_size must be at least 1, got 0"),
        (lambda: pad(np.zeros(3), 1), r"x must have at least two dimensions .* got shape \(3,\)"),
        (lambda: pad(IMAGE, -1), "padding must be at least 0, got -1"),
        (lambda: pad(IMAGE, (1, 2, 3, 4)), r"padding must be an integer or a pair .* got \(1, 2, 3, 4\)"),
        (lambda: pad(IMAGE, 1, "edge"), "mode must be one of zeros, reflect, replicate, circular, got 'edge'"),
        (lambda: pad(IMAGE, 6, "reflect"), "padding must be at most 5 for mode 'reflect' and size 6, got 6"),
        (lambda: pad(IMAGE, (1, 7), "circular"), "padding must be at most 6 for mode 'circular' and size 6"),
        (lambda: im2col(IMAGE, 3), r"x must have shape \(N, C, H, W\) or \(C, H, W\), got 2 dimensions"),
        (lambda: im2col(X, 7), "kernel_size 7 with dilation 1 spans 7, but size 6"),
        (lambda: im2col(X, (3, 0)), r"kernel_size\[1\] must be at least 1, got 0"),
        (lambda: col2im(IMAGE[0], 6, 3), r"columns must have shape \(N, C·k_h·k_w, H'·W'\) or"),
        (lambda: col2im(COLUMNS[:, :35], 6, 3), r"columns must have a multiple of 3·3 rows, .* \(2, 35, 16\)"),
        (lambda: col2im(COLUMNS, 7, 3), r"columns must have shape \(2, 36, 25\), for 5×5 windows in 7×7 pixels"),
        (lambda: col2im(COLUMNS, 2, 3), "spans 3, but size 2"),
        (lambda: col2im(COLUMNS, (6, 6, 6), 3), "output_size must be an integer or a pair"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conv2d(X, W, stride=1.0), r"stride must be an integer or a pair .* got 1.0 of type float"),
        (lambda: conv2d(X, W, stride=(1, 2.0)), r"stride\[1\] must be an integer, got 2.0 of type float"),
        (lambda: conv2d(X, W, stride=True), "stride must be an integer or a pair .* got True of type bool"),
        (lambda: conv2d(X, W, stride=np.ones(2, int)), "stride must be an integer or a pair .* of type ndarray"),
        (lambda: conv2d(X, W, padding=None), "padding must be an integer or a pair .* got None"),
        (lambda: conv2d(X, W, groups=True), "groups must be an integer, got True of type bool"),
        (lambda: conv2d(X, W, groups=1.0), "groups must be an integer, got 1.0 of type float"),
        (lambda: conv2d(X, W, method=None), "method must be one of .* got None"),
        (lambda: conv2d(X > 0, W), "x must be an array of real numbers, got dtype bool"),
        (lambda: conv2d(X, W * 1j), "weight must be an array of real numbers, got dtype complex128"),
        (lambda: conv2d("cat", W), "x must be an array of real numbers, got 'cat' of type str"),
        (lambda: conv2d([[1, 2], [3]], W), r"x must be an array of real numbers, got \[\[1, 2\], \[3\]\] of type list"),
        (lambda: conv2d(None, W), "x must be an array of real numbers, got None"),
        (lambda: conv2d(X, None), "weight must be an array of real numbers, got None"),
        (lambda: conv2d_backward(G, X, W, padding=1.5), "padding must be an integer or a pair"),
        (lambda: conv2d_backward(None, X, W), "grad_output must be an array of real numbers, got None"),
        (lambda: cross_correlate(IMAGE > 0, EDGE), "image must be an array of real numbers, got dtype bool"),
        (lambda: cross_correlate(IMAGE, None), "kernel must be an array of real numbers, got None"),
        (lambda: convolve(IMAGE, EDGE > 0), "kernel must be an array of real numbers, got dtype bool"),
        (lambda: conv_output_size(5.0, 3), "size must be an integer or a pair .* got 5.0"),
        (lambda: conv_output_size(5, 3, padding="same"), "padding must be an integer or a pair .* got 'same'"),
        (lambda: pad(IMAGE.astype(object), 1), "x must be an array of real numbers, got dtype object"),
        (lambda: im2col(X, 3, padding="same"), "padding must be an integer or a pair"),
    ],
)  # fmt: skip
def test_a_wrong_kind_is_named_with_what_was_expected(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_a_tensor_that_needs_a_gradient_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match="x must be an array of real numbers, got tensor"):
        conv2d(torch.zeros(1, 1, 3, 3, requires_grad=True), np.ones((1, 1, 2, 2)))
    assert conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)).tolist() == [[[[4, 4], [4, 4]]]]
