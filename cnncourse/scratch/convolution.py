"""Convolution, three times: as its equation, as windows, and as one matrix product; then its gradients.

What networks call convolution is cross-correlation: the kernel slides over the image without being flipped.
Arrays are NCHW, weights (O, C/groups, k_h, k_w); names, arguments, defaults and results are those of
`torch.nn.functional`. Height comes before width in every pair. No argument is ever written into.

Precision: float32 arrays give float32; anything else (float64, integers, a mixture) is computed in float64, so that
the bytes of an image never overflow. What only copies (`pad`, `im2col`) keeps the dtype.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import choice, float_arrays, integer, layout, number_array, pair, shape

# NumPy's names for the modes of torch's `Conv2d(padding_mode=…)`.
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}

# So many numbers are unfolded before they are multiplied: 4 MB in float32, which the processor's cache holds.
# All columns of one image in VGG-16's second layer would be 29 million.
CHUNK = 2**20

NO_MARGINS = ((0, 0), (0, 0))


def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """How many positions the window has, for each axis:

    ⌊(size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1

    An int if all arguments are ints, a pair (height, width) if any is a pair. ValueError where the window does
    not fit. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """
    pairs = any(isinstance(value, tuple | list) for value in (size, kernel_size, stride, padding, dilation))
    settings = _settings(kernel_size, stride, pair("padding", padding, 0), dilation)
    height, width = _output_size(pair("size", size, 1), *settings)
    return (height, width) if pairs else height


def pad(x, padding, mode="zeros"):
    """A border around the last two axes: (…, H, W) → (…, H + 2·p_h, W + 2·p_w), a new array.

    padding   an int or a pair (p_h, p_w), the same on both sides
    mode      "zeros"; "reflect": mirrored, the edge itself not repeated, so padding < size; "replicate": the edge
              repeated; "circular": continued at the other side, so padding ≤ size
    """
    x, padding = number_array("x", x), pair("padding", padding, 0)
    choice("mode", mode, PADDING_MODES)
    if x.ndim < 2:
        raise ValueError(f"x must have at least two dimensions (…, H, W), got shape {x.shape}")
    for p, size in zip(padding, x.shape[-2:], strict=True):
        limit = {"reflect": max(size - 1, 0), "circular": size, "replicate": p if size else 0}.get(mode, p)
        if p > limit:
            raise ValueError(f"padding must be at most {limit} for mode {mode!r} and size {size}, got {p}")
    widths = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding]
    return np.pad(x, widths, mode=PADDING_MODES[mode])


def im2col(x, kernel_size, dilation=1, padding=0, stride=1):
    """Every window as a column: torch's `unfold`.

    x (N, C, H, W) or (C, H, W)   →   (N, C·k_h·k_w, H'·W') or (C·k_h·k_w, H'·W'), the dtype kept

    Rows run over channels, then rows, then columns of the kernel; columns over rows, then columns of the output.
    """
    x = layout("x", number_array("x", x), "N C H W", "C H W")
    if x.ndim == 3:
        return im2col(x[None], kernel_size, dilation, padding, stride)[0]
    settings = _settings(kernel_size, stride, pair("padding", padding, 0), dilation)
    _output_size(x.shape[2:], *settings)
    kernel, stride, margins, dilation = settings
    windows = _windows(_zero_pad(x, margins), kernel, stride, dilation)
    N, C, k_h, k_w, H_out, W_out = windows.shape
    return windows.copy().reshape(N, C * k_h * k_w, H_out * W_out)


def col2im(columns, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The way back of `im2col`: each number is added where it was read. torch's `fold`.

    columns (N, C·k_h·k_w, H'·W') or (C·k_h·k_w, H'·W')   output_size (H, W)   →   (N, C, H, W) or (C, H, W)
    """
    (columns,) = float_arrays(columns=columns)
    if layout("columns", columns, "N C·k_h·k_w H'·W'", "C·k_h·k_w H'·W'").ndim == 2:
        return col2im(columns[None], output_size, kernel_size, dilation, padding, stride)[0]
    settings = _settings(kernel_size, stride, pair("padding", padding, 0), dilation)
    (H, W), ((k_h, k_w), *_) = pair("output_size", output_size, 1), settings
    (H_out, W_out), (N, rows, _) = _output_size((H, W), *settings), columns.shape
    if rows % (k_h * k_w):
        raise ValueError(f"columns must have a multiple of {k_h}·{k_w} rows, got shape {columns.shape}")
    shape("columns", columns, (N, rows, H_out * W_out), f"for {H_out}×{W_out} windows in {H}×{W} pixels")
    return _fold(columns.reshape(N, rows // (k_h * k_w), k_h, k_w, H_out, W_out), (H, W), *settings)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, method="im2col"):
    """y[n,o,i,j] = b[o] + Σ_{c,u,v} w[o,c,u,v] · x[n, c, i·stride + u·dilation, j·stride + v·dilation]

    x (N, C, H, W) or (C, H, W)   weight (O, C/groups, k_h, k_w)   bias (O,)   →   (N, O, H', W') or (O, H', W')

    padding   zeros around x: an int, a pair, "valid" (none) or "same" (H' = H and W' = W, for stride 1 only; of an
              odd number of zeros the last is at the bottom or at the right)
    groups    cuts input and output channels into as many equal parts; each output sees its own part only
    method    "loops" is the equation, "windows" one sum over a view of all windows, "im2col" a matrix product

    The three methods agree up to rounding. im2col: Chellapilla, Puri and Simard, "High performance convolutional
    neural networks for document processing", 2006.
    """
    compute = METHODS[choice("method", method, METHODS)]
    x, weight, bias = float_arrays(x=x, weight=weight, bias=bias, optional=["bias"])
    if layout("x", x, "N C H W", "C H W").ndim == 3:
        return conv2d(x[None], weight, bias, stride, padding, dilation, groups, method=method)[0]
    (_, stride, margins, dilation), groups, _ = _agree(x, weight, stride, padding, dilation, groups)
    if bias is None:
        bias = np.zeros(len(weight), weight.dtype)
    shape("bias", bias, weight.shape[:1], "one number for each output channel")
    return compute(_zero_pad(x, margins), weight, bias, stride, dilation, groups)


def _by_loops(x, weight, bias, stride, dilation, groups):
    """The equation, one multiplication at a time."""
    (N, _, *size), (O, C, k_h, k_w) = x.shape, weight.shape
    (s_h, s_w), (d_h, d_w) = stride, dilation
    H_out, W_out = _output_size(size, (k_h, k_w), stride, NO_MARGINS, dilation)
    y = np.empty((N, O, H_out, W_out), x.dtype)
    for n in range(N):
        for o in range(O):
            first = o // (O // groups) * C  # of the channels that this output sees
            for i in range(H_out):
                for j in range(W_out):
                    y[n, o, i, j] = bias[o]
                    for c in range(C):
                        for u in range(k_h):
                            for v in range(k_w):
                                pixel = x[n, first + c, i * s_h + u * d_h, j * s_w + v * d_w]
                                y[n, o, i, j] += weight[o, c, u, v] * pixel
    return y


def _by_windows(x, weight, bias, stride, dilation, groups):
    """The same sum over a view that shows x once for every window: nothing is copied."""
    O, C, k_h, k_w = weight.shape
    windows = _windows(x, (k_h, k_w), stride, dilation)  # (N, groups·C, k_h, k_w, H', W')
    N, *_, H_out, W_out = windows.shape
    windows = windows.reshape(N, groups, C, k_h, k_w, H_out, W_out)
    weight = weight.reshape(groups, O // groups, C, k_h, k_w)
    y = np.einsum("gocuv,ngcuvij->ngoij", weight, windows).reshape(N, O, H_out, W_out)
    return y + bias[:, None, None]


def _by_im2col(x, weight, bias, stride, dilation, groups):
    """y = W · columns + b, for each image and group: (O, C·k_h·k_w) · (C·k_h·k_w, H'·W') → (O, H'·W')

    The columns hold a pixel up to k_h·k_w times, so they are unfolded in chunks: some rows of an image, or some small
    images. It is `reshape` that copies. For a 1×1 kernel with stride 1 the columns are x itself: nothing is copied.
    """
    O, C, k_h, k_w = weight.shape
    K = C * k_h * k_w
    windows = _windows(x, (k_h, k_w), stride, dilation)  # (N, groups·C, k_h, k_w, H', W')
    N, *_, H_out, W_out = windows.shape
    weight, bias = weight.reshape(groups, O // groups, K), bias.reshape(groups, O // groups, 1)
    y = np.empty((N, groups, O // groups, H_out * W_out), x.dtype)

    numbers = groups * K * H_out * W_out  # in the columns of one image
    images = max(1, CHUNK // numbers)
    rows = -(-H_out // -(-numbers // CHUNK))
    for n in range(0, N, images):
        for i in range(0, H_out, rows):
            chunk = windows[n : n + images, ..., i : i + rows, :]
            part = y[n : n + images, ..., i * W_out : (i + rows) * W_out]
            np.matmul(weight, chunk.reshape(len(chunk), groups, K, -1), out=part)
            if bias.any():
                part += bias
    return y.reshape(N, O, H_out, W_out)


METHODS = {"loops": _by_loops, "windows": _by_windows, "im2col": _by_im2col}


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    """The gradients of a loss, from its gradient ∂y at y = conv2d(x, weight, bias, …), where y = W · columns + b:

    ∂W = ∂y · columnsᵀ     ∂columns = Wᵀ · ∂y,  ∂x = col2im(∂columns)     ∂b = Σ_{n,i,j} ∂y

    grad_output (N, O, H', W')   →   (grad_x, grad_weight, grad_bias), each in the shape of what it belongs to
    """
    grad_output, x, weight = float_arrays(grad_output=grad_output, x=x, weight=weight)
    if layout("x", x, "N C H W", "C H W").ndim == 3:
        layout("grad_output", grad_output, "O H' W'")
        grads = conv2d_backward(grad_output[None], x[None], weight, stride, padding, dilation, groups)
        return grads[0][0], *grads[1:]
    settings, groups, out = _agree(x, weight, stride, padding, dilation, groups)
    shape("grad_output", grad_output, (len(x), len(weight), *out), "that of the output")

    kernel, stride, margins, dilation = settings
    windows = _windows(_zero_pad(x, margins), kernel, stride, dilation)
    matrix = weight.reshape(groups, len(weight) // groups, -1)  # W
    grad_matrix, grad_x = np.zeros_like(matrix), np.empty_like(x)
    for n, grad_y in enumerate(grad_output.reshape(len(x), groups, len(weight) // groups, out[0] * out[1])):
        columns = windows[n].reshape(groups, matrix.shape[2], -1)
        grad_matrix += grad_y @ columns.swapaxes(1, 2)
        grad_columns = matrix.swapaxes(1, 2) @ grad_y
        grad_x[n] = _fold(grad_columns.reshape(1, *windows.shape[1:]), x.shape[2:], *settings)[0]
    return grad_x, grad_matrix.reshape(weight.shape), grad_output.sum(axis=(0, 2, 3))


def cross_correlate(image, kernel, stride=1, padding=0):
    """y[i,j] = Σ_{u,v} kernel[u,v] · image[i·stride + u, j·stride + v]

    image (H, W)   kernel (k_h, k_w)   →   (H', W')

    One channel, the kernel as it is; `padding` puts zeros around the image, as in `conv2d`.
    """
    image, kernel = float_arrays(image=image, kernel=kernel)
    layout("image", image, "H W")
    layout("kernel", kernel, "k_h k_w")
    return conv2d(image[None, None], kernel[None, None], None, stride, padding)[0, 0]


def convolve(image, kernel, stride=1, padding=0):
    """Convolution as mathematics has it: cross-correlation with the kernel turned by 180°.

    y[i,j] = Σ_{u,v} kernel[k_h − 1 − u, k_w − 1 − v] · image[i·stride + u, j·stride + v]
    """
    kernel = layout("kernel", number_array("kernel", kernel), "k_h k_w")
    return cross_correlate(image, kernel[::-1, ::-1], stride, padding)


# What the functions above share. Settings are (kernel, stride, margins, dilation), a pair each; margins are the
# zeros (before, after) the pixels of an axis.


def _settings(kernel_size, stride, padding, dilation):
    kernel, stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
    dilation = pair("dilation", dilation, 1)
    if not isinstance(padding, str):
        return kernel, stride, tuple((p, p) for p in pair("padding", padding, 0)), dilation
    if choice("padding", padding, ("valid", "same")) == "valid":
        return kernel, stride, NO_MARGINS, dilation
    if stride != (1, 1):
        raise ValueError(f"padding 'same' needs stride 1, got stride {stride}")
    zeros = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return kernel, stride, tuple((z // 2, z - z // 2) for z in zeros), dilation


def _agree(x, weight, stride, padding, dilation, groups):
    """Check that x (N, C, H, W), weight and settings belong together → settings, groups, (H', W')."""
    O, C, *kernel = layout("weight", weight, "O C/groups k_h k_w").shape
    groups = integer("groups", groups, 1)
    if weight.size == 0:
        raise ValueError(f"weight must not be empty, got shape {weight.shape}")
    if O % groups:
        raise ValueError(f"groups must divide the {O} output channels of weight, got {groups}")
    if x.shape[1] != groups * C:
        need = f"{groups * C} channels, groups={groups} times the {C} of weight {weight.shape}"
        raise ValueError(f"x must have {need}, got {x.shape[1]} in shape {x.shape}")
    settings = _settings(kernel, stride, padding, dilation)
    return settings, groups, _output_size(x.shape[2:], *settings)


def _output_size(size, kernel, stride, margins, dilation):
    """(H', W'), where the window fits."""
    out = []
    for n, k, s, (before, after), d in zip(size, kernel, stride, margins, dilation, strict=True):
        room, window = n + before + after, d * (k - 1) + 1
        if window > room:
            raise ValueError(
                f"the window must fit: kernel_size {k} with dilation {d} spans {window}, but size {n} with "
                f"padding {before} + {after} is only {room}"
            )
        out.append((room - window) // s + 1)
    return tuple(out)


def _zero_pad(x, margins):
    """x (N, C, H, W) with zeros around it, or x itself where there are none."""
    if margins == NO_MARGINS:
        return x
    (top, bottom), (left, right) = margins
    N, C, H, W = x.shape
    padded = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    return padded


def _windows(x, kernel, stride, dilation):
    """A read-only view of x (N, C, H, W) that shows every window: (N, C, k_h, k_w, H', W')."""
    (s_h, s_w), (d_h, d_w) = stride, dilation
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    windows = sliding_window_view(x, spans, axis=(2, 3))[:, :, ::s_h, ::s_w, ::d_h, ::d_w]
    return windows.transpose(0, 1, 4, 5, 2, 3)


def _fold(windows, size, kernel, stride, margins, dilation):
    """Windows (N, C, k_h, k_w, H', W'), each number added to the pixel it lies on: (N, C, H, W)."""
    (N, C, *_, H_out, W_out), (H, W) = windows.shape, size
    (s_h, s_w), (d_h, d_w), ((top, bottom), (left, right)) = stride, dilation, margins
    padded = np.zeros((N, C, top + H + bottom, left + W + right), windows.dtype)
    for u, v in np.ndindex(*kernel):
        i, j = u * d_h, v * d_w
        padded[:, :, i : i + s_h * H_out : s_h, j : j + s_w * W_out : s_w] += windows[:, :, u, v]
    return padded[:, :, top : top + H, left : left + W]
