"""Every check returns what the caller computes with, or says in one sentence: NAME must be …, got …."""

from pathlib import Path

import numpy as np
import pytest

from cnncourse import checks


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (checks.integer("n", np.int64(3), 1), 3),
        (checks.integer("n", np.array(3)), 3),
        (checks.integer("rank", 2, 0, below=3), 2),
        (checks.real("p", np.float32(0.5), 0, 1), 0.5),
        (checks.real("eps", 1, above=0), 1.0),
        (checks.flag("on", np.True_), True),
        (checks.choice("mode", "max", {"max": 1, "min": 2}), "max"),
        (checks.path("root", "~/sets"), Path.home() / "sets"),
        (checks.pair("stride", 2, 1), (2, 2)),
        (checks.pair("stride", [1, 2], 1), (1, 2)),
        (checks.integers("sizes", [2, np.int8(3)], 1), (2, 3)),
    ],
)
def test_what_fits_comes_back_in_its_plain_form(found, expected):
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("check", "error", "sentence"),
    [
        (lambda: checks.integer("n", 2.0), TypeError, "n must be an integer, got 2.0 of type float"),
        (lambda: checks.integer("n", True), TypeError, "n must be an integer, got True of type bool"),
        (lambda: checks.integer("n", [1]), TypeError, "n must be an integer, got [1] of type list"),
        (
            lambda: checks.integer("n", np.ones(2, int)),
            TypeError,
            "n must be an integer, got array([1, 1]) of type ndarray",
        ),
        (lambda: checks.integer("n", 0, 1), ValueError, "n must be at least 1, got 0"),
        (lambda: checks.integer("n", 9, 1, 8), ValueError, "n must be at least 1 and at most 8, got 9"),
        (
            lambda: checks.integer("seed", -1, 0, below=2**63),
            ValueError,
            f"seed must be at least 0 and below {2**63}, got -1",
        ),
        (lambda: checks.real("p", "1"), TypeError, "p must be a number, got '1' of type str"),
        (lambda: checks.real("p", None), TypeError, "p must be a number, got None"),
        (lambda: checks.real("p", float("nan")), ValueError, "p must be a finite number, got nan"),
        (lambda: checks.real("p", 1, 0, below=1), ValueError, "p must be at least 0 and below 1, got 1.0"),
        (lambda: checks.real("eps", 0, above=0), ValueError, "eps must be above 0, got 0.0"),
        (lambda: checks.flag("on", 1), TypeError, "on must be True or False, got 1 of type int"),
        (
            lambda: checks.choice("mode", None, ("max", "min")),
            TypeError,
            "mode must be one of max, min, got None",
        ),
        (
            lambda: checks.choice("mode", "MAXX", ("max", "min")),
            ValueError,
            "mode must be one of max, min, got 'MAXX'; the nearest is 'max'",
        ),
        (lambda: checks.path("root", 3), TypeError, "root must be a path, got 3 of type int"),
        (
            lambda: checks.instance("x", "no", dict, "a dict"),
            TypeError,
            "x must be a dict, got 'no' of type str",
        ),
        (lambda: checks.generator("rng", None), TypeError, "rng must be a numpy.random.Generator, got None"),
        (
            lambda: checks.pair("stride", (1, 2, 3), 1),
            ValueError,
            "stride must be an integer or a pair (height, width), got (1, 2, 3)",
        ),
        (lambda: checks.pair("stride", (1, 0), 1), ValueError, "stride[1] must be at least 1, got 0"),
        (
            lambda: checks.integers("sizes", "ab", 1),
            TypeError,
            "sizes must be a tuple of integers, got 'ab' of type str",
        ),
        (lambda: checks.integers("sizes", (), 1), ValueError, "sizes must be a tuple of integers, got ()"),
        (
            lambda: checks.finite_array("x", [[1, 2], [3]], "N"),
            TypeError,
            "x must be an array of real numbers, got [[1, 2], [3]] of type list",
        ),
        (
            lambda: checks.finite_array("x", [np.nan], "N"),
            ValueError,
            "x must be finite, got 1 values that are not",
        ),
        (lambda: checks.finite_array("x", [], "N"), ValueError, "x must have values in it, got shape (0,)"),
        (
            lambda: checks.finite_array("x", [1], "H W", "H W 3"),
            ValueError,
            "x must have shape (H, W) or (H, W, 3), got 1 dimensions",
        ),
        (
            lambda: checks.number_array("x", [True]),
            TypeError,
            "x must be an array of real numbers, got dtype bool",
        ),
        (
            lambda: checks.integer("n", "x" * 99),
            TypeError,
            f"n must be an integer, got '{'x' * 56}... of type str",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(check, error, sentence):
    with pytest.raises(error) as caught:
        check()
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
