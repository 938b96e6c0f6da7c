"""Pooling: a window slides over each channel, and one number stands for what it covers.

Every pooling here is two lists, the rows and the columns that each window covers, and a rule for the pixels where they
meet. A list is an array `places` (windows, taps) of the input index that each tap reads; -1 is a tap in the padding and
-2 one beyond it, and both read nothing. A rectangle's largest value is the largest of its rows' largest values, and its
sum is the sum of its rows' sums, so each rule works along one axis and is used twice.

Inputs are (N, C, H, W), or (C, H, W) without a batch. Arguments, their order and their defaults are torch's: a stride
left out is the kernel size, and padding is at most half of it. Nothing that is passed in is written into.
"""

import numpy as np

from ..checks import flag, float_arrays, generator, integer, layout, number_array, pair, real, shape


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """y[n,c,i,j] = max over u,v of x[n,c, i·s − p + d·u, j·s − p + d·v], never a pixel of the padding

    x (N, C, H, W)   →   y (N, C, H', W') in x's dtype; with return_indices also where each maximum is, row·W + column

    H' = ⌊(H + 2p − d(k − 1) − 1)/s⌋ + 1, with ⌈ ⌉ in ceil mode, where the last window may hang over the far edge but
    starts inside the input or its near padding. Of equal values the first counts; a NaN in a window is its maximum.
    Where dilation makes a window that covers padding alone, which torch answers with −∞, this raises ValueError.
    """
    x = number_array("x", x)
    rows, columns = _sliding_windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    return _max(x, rows, columns, return_indices)


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """∂L/∂x: each window hands its gradient to its maximum, the first of equals; where windows overlap, they add up.

    grad_output (N, C, H', W')   x (N, C, H, W)   →   (N, C, H, W)
    """
    grad_output, x = float_arrays(grad_output=grad_output, x=x)
    _, index = max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)
    shape("grad_output", grad_output, index.shape, "that of max_pool2d's result")
    channel = np.arange(x.size).reshape(x.shape)[..., :1, :1]  # (N, C, 1, 1), where each channel begins
    grad_x = np.bincount((channel + index).ravel(), grad_output.ravel(), minlength=x.size)
    return grad_x.reshape(x.shape).astype(x.dtype, copy=False)


def avg_pool2d(
    x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """y[n,c,i,j] = Σ_{u,v} x[n,c, i·s − p + u, j·s − p + v] / divisor, padding counted as zeros

    x (N, C, H, W)   →   y (N, C, H', W') with H' as in max_pool2d; float32 stays float32, all else becomes float64

    The divisor is the number of pixels in the window, with those of the padding, or without if count_include_pad is
    False; what hangs over the padding in ceil mode never counts. divisor_override takes its place.
    """
    (x,) = float_arrays(x=x)
    rows, columns = _sliding_windows(x, kernel_size, stride, padding, 1, ceil_mode)
    return _total(x, rows, columns) / _divisor(x, rows, columns, count_include_pad, divisor_override)


def avg_pool2d_backward(
    grad_output,
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """∂L/∂x: each window shares its gradient equally among its pixels; where windows overlap, the shares add up.

    grad_output (N, C, H', W')   x (N, C, H, W), of which only the shape matters   →   (N, C, H, W)
    """
    grad_output, x = float_arrays(grad_output=grad_output, x=x)
    rows, columns = _sliding_windows(x, kernel_size, stride, padding, 1, ceil_mode)
    expected = (*x.shape[:-2], len(rows), len(columns))
    shape("grad_output", grad_output, expected, "that of avg_pool2d's result")
    share = grad_output / _divisor(x, rows, columns, count_include_pad, divisor_override)
    share = _spread(share, columns, -1, x.shape[-1])  # (N, C, H', W)
    return _spread(share, rows, -2, x.shape[-2])


def adaptive_max_pool2d(x, output_size, return_indices=False):
    """The output size chooses the windows: y[i, j] = max of rows ⌊i·H/H'⌋ … ⌈(i + 1)·H/H'⌉ − 1, columns alike

    x (N, C, H, W)   output_size H' or (H', W'), None keeps an axis   →   y (N, C, H', W'), and places as in max_pool2d
    """
    x = number_array("x", x)
    return _max(x, *_adaptive_windows(x, output_size), return_indices)


def adaptive_avg_pool2d(x, output_size):
    """The same windows as adaptive_max_pool2d, and the mean of each; windows may differ in size by one.

    x (N, C, H, W)   output_size H' or (H', W'), None keeps an axis   →   y (N, C, H', W')
    """
    (x,) = float_arrays(x=x)
    rows, columns = _adaptive_windows(x, output_size)
    return _total(x, rows, columns) / _divisor(x, rows, columns)


def global_avg_pool2d(x):
    """y[n,c] = 1/(H·W) Σ_{h,w} x[n,c,h,w]      Lin, Chen and Yan, "Network in Network", 2013

    x (N, C, H, W)   →   y (N, C)
    """
    (x,) = float_arrays(x=x)
    return _image(x).mean(axis=(-2, -1))


def global_avg_pool2d_backward(grad_output, x):
    """∂L/∂x[n,c,h,w] = ∂L/∂y[n,c] / (H·W), the same for every pixel of a channel.

    grad_output (N, C)   x (N, C, H, W), of which only the shape matters   →   (N, C, H, W)
    """
    grad_output, x = float_arrays(grad_output=grad_output, x=x)
    shape("grad_output", grad_output, _image(x).shape[:-2], "that of global_avg_pool2d's result")
    return np.broadcast_to(grad_output[..., None, None] / (x.shape[-2] * x.shape[-1]), x.shape).copy()


def mixed_pool2d(
    x, kernel_size, alpha=0.5, *, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """y = α·max_pool2d(x) + (1 − α)·avg_pool2d(x)

    x (N, C, H, W)   α in [0, 1]   →   y (N, C, H', W')

    A fixed blend (Lee, Gallagher and Tu, "Generalizing Pooling Functions in CNNs", 2016, learn its α). The older mixed
    pooling of Yu, Wang, Chen and Wei (2014) draws α as 0 or 1 at random for each training step instead.
    """
    alpha = real("alpha", alpha, 0, 1)
    (x,) = float_arrays(x=x)
    average = avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad)
    largest = max_pool2d(x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return alpha * largest + (1 - alpha) * average


def stochastic_pool2d(x, kernel_size, stride=None, *, training, rng=None):
    """p_i = a_i / Σ_k a_k over the window;  training: y = a_l with l drawn from p;  otherwise y = Σ_i p_i·a_i

    x (N, C, H, W), finite and at least 0, as after ReLU   →   y (N, C, H', W'), H' = ⌊(H − k)/s⌋ + 1

    rng is a numpy Generator; outside training nothing is drawn, and it may be left out. A window of zeros gives 0,
    and a zero is never drawn from any other.
    Zeiler and Fergus, "Stochastic Pooling for Regularization of Deep CNNs", 2013.
    """
    (x,) = float_arrays(x=x)
    training = flag("training", training)
    rows, columns = _sliding_windows(x, kernel_size, stride)
    if not (np.isfinite(x).all() and (x >= 0).all()):
        raise ValueError(
            f"x must be finite and at least 0, probabilities are made of it, got {x.min()} … {x.max()}"
        )
    if training or rng is not None:
        generator("rng", rng)

    a = x[..., rows[:, None, :, None], columns[None, :, None, :]]  # (N, C, H', W', k, k)
    a = a.reshape(*a.shape[:-2], rows.shape[1] * columns.shape[1])  # (N, C, H', W', k²)
    # Divided by the largest first, so that the sum of huge values does not overflow.
    p = a / _or_one(a.max(axis=-1, keepdims=True)).astype(np.float64)
    p = p / _or_one(p.sum(axis=-1, keepdims=True))
    if not training:
        return (p * a).sum(axis=-1).astype(x.dtype)
    reached = p.cumsum(axis=-1)
    drawn = rng.random((*a.shape[:-1], 1)) * reached[..., -1:]
    chosen = (reached <= drawn).sum(axis=-1, keepdims=True)
    chosen = np.minimum(chosen, a.shape[-1] - 1)  # a window of zeros reaches nothing
    return np.take_along_axis(a, chosen, axis=-1)[..., 0]


# The rules, along one axis of x: -2 for rows, -1 for columns.


def _largest(x, places, axis):
    """Each window's maximum; NaN if it has one."""
    first, *others = _inside(places).T
    best = np.take(x, first, axis)
    for place in others:
        best = np.maximum(best, np.take(x, place, axis))
    return best


def _first_largest(x, places, axis):
    """Each window's maximum and where it is: of equals the first, of NaNs the last, as in torch."""
    first, *others = _inside(places).T
    best = np.take(x, first, axis)
    where = np.broadcast_to(_along(first, axis), best.shape).copy()
    for place in others:
        tap = np.take(x, place, axis)
        better = (tap > best) | np.isnan(tap)
        np.copyto(best, tap, where=better)
        np.copyto(where, _along(place, axis), where=better)
    return best, where


def _inside(places):
    """The same windows, every tap on a pixel: one outside repeats the nearest one inside, which changes no maximum."""
    first = np.where(places < 0, places.max(), places).min(axis=1, keepdims=True)
    return np.maximum(np.maximum.accumulate(places, axis=1), first)


def _sum(x, places, axis):
    """Each window's sum; a tap outside adds 0."""
    total = 0
    for place in places.T:
        total = total + np.where(_along(place >= 0, axis), np.take(x, place, axis, mode="clip"), 0)
    return total


def _spread(y, places, axis, size):
    """The transpose of `_sum`: each window's number added to every pixel that it covers."""
    sizes = list(y.shape)
    sizes[axis] = size
    x = np.zeros(sizes, y.dtype)
    into, windows = np.moveaxis(x, axis, 0), np.moveaxis(y, axis, 0)
    for place in places.T:
        into[place[place >= 0]] += windows[place >= 0]
    return x


def _along(vector, axis):
    return vector.reshape(-1, *(1,) * (-1 - axis))


# The rules, over rectangles.


def _max(x, rows, columns, return_indices):
    if not flag("return_indices", return_indices):
        return _largest(_largest(x, rows, axis=-2), columns, axis=-1)
    across, column = _first_largest(x, columns, axis=-1)  # (N, C, H, W')
    y, row = _first_largest(across, rows, axis=-2)  # (N, C, H', W')
    return y, row * x.shape[-1] + np.take_along_axis(column, row, axis=-2)


def _total(x, rows, columns):
    return _sum(_sum(x, rows, axis=-2), columns, axis=-1)


def _divisor(x, rows, columns, count_include_pad=True, divisor_override=None):
    least = -1 if flag("count_include_pad", count_include_pad) else 0
    if divisor_override is not None:
        return integer("divisor_override", divisor_override, 1)
    return np.outer((rows >= least).sum(axis=1), (columns >= least).sum(axis=1)).astype(x.dtype)


# The windows.


def _sliding_windows(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Rows (H', k) and columns (W', k) of the windows that slide over x."""
    sizes = _image(x).shape[-2:]
    kernel = pair("kernel_size", kernel_size, 1)
    stride = kernel if stride is None else pair("stride", stride, 1)
    padding, dilation = pair("padding", padding, 0), pair("dilation", dilation, 1)
    flag("ceil_mode", ceil_mode)
    if any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of kernel_size {kernel}, got {padding}")
    settings = zip(sizes, kernel, stride, padding, dilation, strict=True)
    windows = [_sliding_places(*numbers, ceil_mode) for numbers in settings]
    if any(len(places) == 0 for places in windows):
        raise ValueError(
            f"kernel_size {kernel} with dilation {dilation} must fit into the input of {sizes} with padding {padding}"
        )
    if any((places < 0).all(axis=1).any() for places in windows):
        raise ValueError(
            f"dilation {dilation} makes a window that covers only padding: kernel_size {kernel}, input {sizes}"
        )
    return windows


def _sliding_places(size, kernel, stride, padding, dilation, ceil_mode):
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    windows = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (windows - 1) * stride >= size + padding:
        windows -= 1
    places = stride * np.arange(windows)[:, None] - padding + dilation * np.arange(kernel)
    outside = np.where(places < size + padding, -1, -2)
    return np.where((places >= 0) & (places < size), places, outside)


def _adaptive_windows(x, output_size):
    sizes = _image(x).shape[-2:]
    if not isinstance(output_size, tuple | list):
        output_size = (integer("output_size", output_size, 1),) * 2
    if len(output_size) != 2:
        raise ValueError(f"output_size must be an integer or a pair (height, width), got {output_size!r}")
    return [
        _adaptive_places(size, size if output is None else integer("output_size", output, 1))
        for size, output in zip(sizes, output_size, strict=True)
    ]


def _adaptive_places(size, output):
    first = np.arange(output) * size // output
    end = -(-np.arange(1, output + 1) * size // output)
    places = first[:, None] + np.arange((end - first).max())
    return np.where(places < end[:, None], places, -2)


def _image(x):
    layout("x", x, "N C H W", "C H W")
    if 0 in x.shape[-3:]:
        raise ValueError(f"x must have at least one channel and one pixel, got shape {x.shape}")
    return x


def _or_one(x):
    return np.where(x > 0, x, 1)
