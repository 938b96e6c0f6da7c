"""The argument checks that the files of this folder share.

Each returns the value in the form the caller computes with, or raises one sentence that names the argument,
says what was expected and shows what came: `TypeError` for the wrong kind of thing, `ValueError` for a wrong value.
"""

import math
import operator

import numpy as np


def number_array(name, value):
    """`value` as an array of integers or real floating-point numbers; no copy where it is one already."""
    try:
        array = np.asarray(value)
    except Exception as error:  # a ragged list, a tensor that needs its gradient: whatever NumPy cannot read
        raise TypeError(f"{name} must be an array of numbers, got {_shown(value)} ({error})") from error
    if array.dtype.kind not in "iuf":
        got = f"dtype {array.dtype}" if array.ndim else _shown(value)
        raise TypeError(f"{name} must be an array of real numbers, got {got}")
    return array


def float_arrays(*, optional=(), **arrays):
    """The arrays in one floating-point dtype, in the order given: float32 if all are float32, otherwise float64.

    So integers never overflow, float32 stays float32, and nothing loses precision. None stays None for the names
    in `optional`.
    """
    found = [
        None if value is None and name in optional else number_array(name, value)
        for name, value in arrays.items()
    ]
    single = all(array is None or array.dtype == np.float32 for array in found)
    dtype = np.float32 if single else np.float64
    return [None if array is None else array.astype(dtype, copy=False) for array in found]


def layout(name, array, *layouts):
    """Check that `array` has as many dimensions as one of the layouts, e.g. `layout("x", x, "N C H W", "C H W")`."""
    if array.ndim not in [len(letters.split()) for letters in layouts]:
        wanted = " or ".join(f"({', '.join(letters.split())})" for letters in layouts)
        raise ValueError(f"{name} must have shape {wanted}, got {array.ndim} dimensions, shape {array.shape}")
    return array


def shape(name, array, expected, why):
    """Check that `array` has exactly the shape `expected`; `why` says where that shape comes from."""
    if array.shape != tuple(expected):
        raise ValueError(f"{name} must have shape {tuple(expected)}, {why}, got shape {array.shape}")
    return array


def integer(name, value, least, expected="an integer"):
    """`value` as an int that is at least `least`; a bool is no count, and 2.0 no integer."""
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be {expected}, got {_shown(value)}")
    try:
        number = operator.index(value)
    except TypeError:  # an array has __index__, but only one of no dimensions is a number
        raise TypeError(f"{name} must be {expected}, got {_shown(value)}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def real(name, value, least=-math.inf, most=math.inf, *, below=math.inf):
    """`value` as a finite Python float with least ≤ value ≤ most and value < below; a bool is no number.

    A Python float, so that it never widens the float32 array it multiplies.
    """
    try:
        number = float(value)
        fits = not isinstance(value, bool | np.bool_ | str | bytes) and np.ndim(value) == 0
    except Exception:  # whatever Python cannot read as a number
        fits = False
    if not fits:
        raise TypeError(f"{name} must be a number, got {_shown(value)}")
    if math.isfinite(number) and least <= number <= most and number < below:
        return number
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {number}")
    limits = [f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf)
    limits += [f"below {below:g}"] * (below < math.inf)
    raise ValueError(f"{name} must be {' and '.join(limits)}, got {number}")


def pair(name, value, least):
    """An int, or a pair of them for height and width, as a pair of ints that are at least `least`."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name} must be an integer or a pair (height, width), got {value!r}")
        return integer(f"{name}[0]", value[0], least), integer(f"{name}[1]", value[1], least)
    both = integer(name, value, least, expected="an integer or a pair (height, width)")
    return both, both


def flag(name, value):
    """`value` as a bool, if it is one; no other value counts as true or false."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)


def choice(name, value, choices):
    """`value` if it is one of `choices`, which the error lists."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, one of {_listed(choices)}, got {_shown(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {_listed(choices)}, got {value!r}")
    return value


def _listed(choices):
    return ", ".join(repr(name) for name in choices)


def _shown(value):
    """The value as an error shows it: its repr, shortened, and its type."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} of type {type(value).__name__}"
