"""The judge of the exercises: what it says to right, wrong, blank and broken answers, and to a broken test."""

import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from cnncourse.exercises import check

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def says(capsys):
    def says(*args):
        check(*args)
        return capsys.readouterr().out

    return says


def dots(x): ...


def returns_dots(x):
    """A docstring does not fill it."""
    return ..., ...


def fails(x):
    raise LookupError("no such drawer\nin this desk")


def asserted(answer):
    assert answer == 3, "it must be odd"


BLANK = [
    (..., 3),
    (..., (3, 4)),
    ((..., ...), (3, 4)),
    ((3, ...), lambda pair: sum(pair) == 7),
    ([[1, ...]], lambda rows: False),
    ({"a": ...}, lambda answer: False),
    (dots, lambda f: f(1) == 2),
    (returns_dots, lambda f: f(1) == 2),
    ((dots, ...), (lambda f: False, 4)),
    (torch.no_grad()(returns_dots), lambda f: False),
    (lambda x: ... if x else 1, lambda f: (f(1), 3)),  # what it returns is blank still
]


@pytest.mark.parametrize(("answer", "test"), BLANK)
def test_a_blank_answer_is_met_with_silence(says, answer, test):
    assert says(answer, test, "Think.") == ""


RIGHT = [
    (3, 3),
    (3.0, 3),
    (np.int64(3), 3),
    (torch.tensor(3), 3),
    (0.188, 0.18837),
    (2, 2.0),
    (np.array(0.5), torch.tensor(0.5)),
    (True, np.bool_(True)),
    ("relu", "relu"),
    ({1, 2}, {2, 1}),
    ([3, 4, 5], torch.zeros(3, 4, 5).shape),
    (np.array([3, 4]), (3, 4)),
    ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
    (torch.ones(2, 3, requires_grad=True), np.ones((2, 3))),
    (np.ones(2, np.float32) / 3, torch.ones(2, dtype=torch.float64) / 3),
    (3, lambda n: n == 3),
    (3, lambda n: np.bool_(n == 3)),
    (3, lambda n: torch.tensor(n == 3)),
    (3, asserted),
    (lambda x: x + 1, lambda f: (f(np.arange(3)), np.array([1, 2, 3]))),
    ((2, [1, 1]), (2, lambda pair: sum(pair) == 2)),
    (lambda x: x[..., 0], lambda f: (f(np.ones((2, 2))), np.ones(2))),  # dots in an index are no blank
]


@pytest.mark.parametrize(("answer", "test"), RIGHT)
def test_a_right_answer_is_called_right(says, answer, test):
    assert says(answer, test, "Think.") == "right\n"


WRONG = [
    (4, 3, "the number is not right"),
    (3.004, 3, "the number is not right"),
    (0.19, 0.188, "the number is not right"),
    (float("nan"), 0.5, "it holds a number that is not finite"),
    (float("nan"), lambda x: not x > 3, "it holds a number that is not finite"),
    ([1.0, float("inf")], lambda pair: True, "it holds a number that is not finite"),
    (True, 1, "it is True or False, expected is a number"),
    (0, False, "it is a number, expected is True or False"),
    (mock.ANY, 3, "it is of the type _ANY, expected is a number"),
    ("3", 3, "it is a text, expected is a number"),
    (None, 3, "it is None, expected is a number"),
    ([3], 3, "it is a list, expected is a number"),
    (np.array([3]), 3, "it is an array, expected is a number"),
    (dict(), set(), "it is of the type dict, expected is a set"),
    ({1}, {2}, "it is another set"),
    ("tanh", "relu", "it is another text"),
    (7, (3, 4), "it is a number, 2 parts are expected"),
    ((3, 4), (3, 4, 5), "it has 2 parts, 3 are expected"),
    ((3, 5), (3, 4), "part 2: the number is not right"),
    ((3, 5, ...), (3, 4, 5), "part 2: the number is not right"),
    (((1, 3), 2), ((1, 2), 2), "part 1: part 2: the number is not right"),
    (np.ones((1, 3)), np.ones((2, 3)), "it has shape (1, 3), expected is (2, 3)"),  # it would broadcast
    (1.0, np.ones(3), "it has shape (), expected is (3,)"),
    ([[1, 2], [3]], np.ones((2, 2)), "it is a list, expected is an array of float64"),
    ([True, False], np.array([1, 0]), "it is a list, expected is an array of int64"),
    ([1, 2, 4], np.array([1, 2, 3]), "1 of 3 entries differ, the first at (2,)"),
    ([[0, 1.001], [0, 1]], torch.tensor([[0.0, 1], [0, 1]]), "1 of 4 entries differ, the first at (0, 1)"),
    (4, lambda n: n == 3, "it is not what is asked for"),
    (4, asserted, "it must be odd"),
    (lambda x: x, lambda f: (f(1), 2), "the result: the number is not right"),
    (lambda x: np.nan, lambda f: (f(1), 2.0), "the result: it holds a number that is not finite"),
    ("ab", lambda text: text > 3, "it cannot be used as the answer: TypeError: "),
    ([].append, lambda f: f(1) + 1 == 2, "it cannot be used as the answer: TypeError: "),
]


@pytest.mark.parametrize(("answer", "test", "difference"), WRONG)
def test_a_wrong_answer_is_told_what_differs_and_given_the_hint(says, answer, test, difference):
    told, hint, end = says(answer, test, "Think.").split("\n")
    assert told.startswith(f"not yet: {difference}") and (hint, end) == ("Hint: Think.", "")


def test_each_part_has_its_hint_and_is_judged_alone(says):
    hints = ("Count.", "Multiply.")
    assert says((2, 4), (2, 5), hints) == "not yet: part 2: the number is not right\nHint: Multiply.\n"
    assert says((2, ...), (2, 5), hints) == "right so far; still blank: part 2\n"
    assert says((1, 4), (2, 5)) == (
        "not yet: part 1: the number is not right; part 2: the number is not right\n"
    )


class Broken:
    def __len__(self):
        return missing  # noqa: F821


def makes_broken(x):
    def inner():
        return 1 / 0

    return inner


@pytest.mark.parametrize(
    ("answer", "test", "raised"),
    [
        (fails, lambda f: f(1), "LookupError: no such drawer"),
        ((2, fails), lambda pair: pair[1](2), "LookupError: no such drawer"),
        (Broken, lambda kind: len(kind()) == 1, "NameError: name 'missing' is not defined"),
        (makes_broken, lambda f: f(1)() == 2, "ZeroDivisionError: division by zero"),
        (torch.no_grad()(fails), lambda f: f(1), "LookupError: no such drawer"),
    ],
)
def test_an_error_of_the_learners_code_is_one_sentence(says, answer, test, raised):
    assert says(answer, test) == f"not yet: your code raises {raised}\n"


def test_a_fault_of_the_test_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError) as caught:
        check(3, lambda answer: 1 / 0)
    assert caught.traceback[-1].name == "<lambda>"
    with pytest.raises(NameError):
        check(lambda x: x, lambda f: missing(f))  # noqa: F821
    with pytest.raises(TypeError, match="test must return True, False, a pair"):
        check(3, lambda answer: answer)
    with pytest.raises(TypeError, match="test must be a function, a number, a text"):
        check(3, {"a": 3})
    with pytest.raises(ValueError, match="hints must be one sentence, or one for each part of the test"):
        check((1, 2), (1, 2), ("only one",))


def test_torch_is_not_loaded():
    code = "import sys; from cnncourse.exercises import check; check([1.0], [2.0]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
