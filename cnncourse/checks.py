"""Argument checks for the functions that strangers call, in one grammar: "NAME must be …, got …".

Each returns the value in the form the caller computes with, or raises one sentence that names the argument, says what
was expected and shows what came: `TypeError` for the wrong kind of thing, `ValueError` for a wrong value. Where names
are chosen, it adds the nearest one. Imports nothing of the package, and never torch.
"""

import difflib
import math
import operator
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Single values.


def integer(name, value, least=-math.inf, most=math.inf, *, below=math.inf, expected="an integer"):
    """`value` as an int with least ≤ value ≤ most and value < below; a bool is no count, and 2.0 no integer."""
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be {expected}, got {shown(value)}")
    try:
        number = operator.index(value)
    except TypeError:  # an array has __index__, but only one of no dimensions is a number
        raise TypeError(f"{name} must be {expected}, got {shown(value)}") from None
    return _within(name, number, least=least, most=most, below=below)


def real(name, value, least=-math.inf, most=math.inf, *, above=-math.inf, below=math.inf):
    """`value` as a finite Python float with least ≤ value ≤ most and above < value < below; a bool is no number.

    A Python float, so that it never widens the float32 array it multiplies.
    """
    try:
        number = float(value)
        fits = not isinstance(value, bool | np.bool_ | str | bytes) and np.ndim(value) == 0
    except Exception:  # whatever Python cannot read as a number
        fits = False
    if not fits:
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {number}")
    return _within(name, number, least=least, most=most, above=above, below=below)


def flag(name, value):
    """`value` as a bool, if it is one; no other value counts as true or false."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def choice(name, value, choices):
    """`value` if it is one of the names `choices`; the error lists them and points at the nearest."""
    listed = ", ".join(choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {listed}, got {shown(value)}")
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {listed}, got {value!r}; the nearest is {nearest(value, choices)!r}"
        )
    return value


def path(name, value):
    """`value` as a Path, ~ expanded, if it is a string or a path."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {shown(value)}")
    return Path(value).expanduser()


def instance(name, value, kind, expected):
    """`value` if it is of the class `kind` (or one of several), which `expected` says in words."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {expected}, got {shown(value)}")
    return value


def generator(name, value):
    """`value` if it is a numpy Generator."""
    return instance(name, value, np.random.Generator, "a numpy.random.Generator")


# Several numbers.


def pair(name, value, least):
    """An int, or a pair of them for height and width, as a pair of ints that are at least `least`."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name} must be an integer or a pair (height, width), got {value!r}")
        return integer(f"{name}[0]", value[0], least), integer(f"{name}[1]", value[1], least)
    both = integer(name, value, least, expected="an integer or a pair (height, width)")
    return both, both


def integers(name, value, least, *, count=1, expected="a tuple of integers"):
    """A tuple or list of at least `count` ints, each at least `least`, as a tuple."""
    sequence(name, value, expected)
    if len(value) < count:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return tuple(integer(f"{name}[{i}]", number, least) for i, number in enumerate(value))


def sequence(name, value, expected):
    """`value` if it is a sequence such as a list or a tuple, and no text."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be {expected}, got {shown(value)}")
    return value


# Arrays.


def number_array(name, value, *, truths=False):
    """`value` as an array of integers or real floating-point numbers; no copy where it is one already.

    truths: whether True and False count too, as 1.0 and 0.0.
    """
    try:
        array = np.asarray(value)
    except Exception as error:  # a ragged list, a tensor that needs its gradient: whatever NumPy cannot read
        raise TypeError(f"{name} must be an array of real numbers, got {shown(value)} ({error})") from error
    if truths and array.dtype.kind == "b":
        return array.astype(float)
    if array.dtype.kind not in "iuf":
        got = f"dtype {array.dtype}" if array.ndim else shown(value)
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


def finite_array(name, value, *layouts):
    """`value` as an array of finite real numbers in one of the layouts, with values in it; truths count as numbers."""
    array = layout(name, number_array(name, value, truths=True), *layouts)
    if array.size == 0:
        raise ValueError(f"{name} must have values in it, got shape {array.shape}")
    if not (finite := np.isfinite(array)).all():
        raise ValueError(f"{name} must be finite, got {np.count_nonzero(~finite)} values that are not")
    return array


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


# Words.


def shown(value):
    """The value as an error shows it: its repr, shortened, and its type."""
    if value is None or isinstance(value, type):
        return repr(value)
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 60 else text[:57] + '...'} of type {type(value).__name__}"


def nearest(value, choices):
    """The name among `choices` that looks most like `value`."""
    return difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0)[0]


def _within(name, number, **limits):
    words = {"least": "at least", "above": "above", "most": "at most", "below": "below"}
    holds = {"least": operator.ge, "above": operator.gt, "most": operator.le, "below": operator.lt}
    if all(holds[key](number, limit) for key, limit in limits.items()):
        return number
    wanted = " and ".join(
        f"{words[key]} {_short(limits[key])}" for key in words if math.isfinite(limits.get(key, math.inf))
    )
    raise ValueError(f"{name} must be {wanted}, got {number}")


def _short(limit):
    return f"{limit:g}" if isinstance(limit, float) else str(limit)
