"""One judge for every exercise: check(answer, test, hints) says "right", or what differs, and nothing while blank.

    check(..., (3, 4, 5), "Line them up at the right.")        # blank: prints nothing
    check((3, 4, 5), (3, 4, 5), "Line them up at the right.")  # right
    check((3, 5, 5), (3, 4, 5), "Line them up at the right.")  # not yet: part 2: the number is not right
                                                               # Hint: Line them up at the right.

Needs NumPy only; a tensor is read through its own methods.
"""

import dis
import inspect
import math
from numbers import Integral, Real
from types import CodeType, FunctionType

import numpy as np

NUMBER = 0.005  # a number may be typed by hand: three digits are enough
ARRAY = 1e-4  # of the largest entry: sums of float32 agree to this in any order
UNFIT = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    RuntimeError,
)  # what a wrong kind of answer raises
NOTHING_DONE = {
    "RESUME",
    "NOP",
    "LOAD_CONST",
    "RETURN_CONST",
    "RETURN_VALUE",
}  # bytecode of a body that is `...`


def check(answer, test, hints=""):
    """Print whether an answer is right.

    answer    what the learner wrote. It is blank as long as `...` is in it, or is the body of a function.
    test      what decides:
              a value          whole numbers, texts and sets agree exactly, other numbers to three digits, arrays in
                               shape and to 1e-4 of the largest entry
              a function       of the answer. It returns True or False; or a pair (found, expected), compared as an
                               answer and a value; or nothing, having asserted, with the difference as the message.
              a tuple or list  of such tests, one for each part of the answer; parts may be blank
    hints     shown when the answer is wrong: one sentence, or one for each part

    An error in the learner's function or class, or one from an answer of the wrong kind (UNFIT), is told in one
    sentence. Every other error is a fault of the test and keeps its traceback.
    """
    single = isinstance(hints, str)
    if not single and not (isinstance(test, tuple | list) and len(hints) == len(test)):
        raise ValueError(f"hints must be one sentence, or one for each part of the test, got {hints!r}")

    verdicts = _verdicts(answer, test)
    wrong = [place for place, (_, verdict) in enumerate(verdicts) if verdict and verdict is not ...]
    blank = [name for name, verdict in verdicts if verdict is ...]
    if wrong:
        print("not yet: " + "; ".join(_named(*verdicts[place]) for place in wrong))
        for hint in [hints] if single else [hints[place] for place in wrong]:
            if hint:
                print(f"Hint: {hint}")
    elif not blank:
        print("right")
    elif len(blank) < len(verdicts):
        print(f"right so far; still blank: {', '.join(blank)}")


def _verdicts(answer, test):
    """[(name of a part, its verdict)]: "" when right, `...` when blank, else the sentence that says what differs."""
    if not isinstance(test, tuple | list) or answer is ...:
        return [("", _verdict(answer, test))]
    answer = _plain(answer)
    if isinstance(answer, np.ndarray):
        answer = list(answer)
    if not isinstance(answer, tuple | list):
        return [("", f"it is {_kind(answer)}, {len(test)} parts are expected")]
    if len(answer) != len(test):
        return [("", f"it has {len(answer)} parts, {len(test)} are expected")]
    return [
        (f"part {place}", _verdict(part, each))
        for place, (part, each) in enumerate(zip(answer, test, strict=True), start=1)
    ]


def _verdict(answer, test):
    if isinstance(test, tuple | list) and answer is not ...:
        verdicts = _verdicts(answer, test)
        wrong = "; ".join(
            _named(name, verdict) for name, verdict in verdicts if verdict and verdict is not ...
        )
        return wrong or (... if any(verdict is ... for _, verdict in verdicts) else "")
    if _blank(answer):
        return ...
    if not _finite(answer):
        return "it holds a number that is not finite"
    return _tested(answer, test) if callable(test) else _difference(_plain(answer), _plain(test))


def _named(name, verdict):
    return f"{name}: {verdict}" if name else verdict


def _blank(answer):
    if isinstance(answer, tuple | list):
        return any(map(_blank, answer))
    if isinstance(answer, dict):
        return any(map(_blank, answer.values()))
    if isinstance(answer, FunctionType):
        steps = list(dis.get_instructions(inspect.unwrap(answer)))
        returned = [step.argval for step in steps if step.opname.endswith("CONST")]
        return all(step.opname in NOTHING_DONE for step in steps) and (returned == [None] or _blank(returned))
    return answer is ...


def _tested(answer, test):
    try:
        outcome = test(answer)
    except Exception as error:
        sentence = str(error).strip().partition("\n")[0]
        raised = f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
        if _runs_through(error.__traceback__, _codes(answer)):
            return f"your code raises {raised}"
        if isinstance(error, AssertionError):
            return sentence or "it is not what is asked for"
        if isinstance(error, UNFIT):
            return f"it cannot be used as the answer: {raised}"
        raise
    if isinstance(outcome, tuple) and len(outcome) == 2:
        verdict = _verdict(*outcome)
        return verdict and (verdict if verdict is ... else f"the result: {verdict}")
    outcome = _plain(outcome)
    if not (outcome is None or isinstance(outcome, bool)):
        raise TypeError(f"test must return True, False, a pair (found, expected) or nothing, got {outcome!r}")
    return "it is not what is asked for" if outcome is False else ""


def _codes(answer):
    """The code objects that the learner wrote: of a function, its inner functions, the methods of a class."""
    if isinstance(answer, CodeType):
        return {answer}.union(*map(_codes, answer.co_consts))
    if isinstance(answer, tuple | list):
        return set().union(*map(_codes, answer))
    if isinstance(answer, type):
        return set().union(*map(_codes, filter(inspect.isfunction, vars(answer).values())))
    return _codes(inspect.unwrap(answer).__code__) if inspect.isfunction(answer) else set()


def _runs_through(traceback, codes):
    while traceback:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def _plain(value):
    """A tensor as an array, an array of no dimensions as its number; anything else as it is."""
    if hasattr(value, "detach"):
        value = np.asarray(value.tolist())
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 else value


def _finite(answer):
    if isinstance(answer, tuple | list):
        return all(map(_finite, answer))
    answer = _plain(answer)
    if isinstance(answer, np.ndarray):
        return answer.dtype.kind != "f" or bool(np.isfinite(answer).all())
    return not isinstance(answer, Real) or math.isfinite(answer)


def _kind(value):
    for types, name in (
        (bool, "True or False"),
        (Real, "a number"),
        (str, "a text"),
        (set | frozenset, "a set"),
        (np.ndarray, "an array"),
        (tuple | list, "a list"),
        (type(None), "None"),
        (FunctionType, "a function"),
    ):
        if isinstance(value, types):
            return name
    return f"of the type {type(value).__name__}"


def _difference(answer, expected):
    """What differs between an answer and a value, without telling the value; "" if nothing does."""
    if isinstance(expected, np.ndarray):
        return _difference_of_arrays(answer, expected)
    if not isinstance(expected, str | Real | set | frozenset):
        raise TypeError(
            f"test must be a function, a number, a text, a set, an array or a tuple, got {expected!r}"
        )
    if _kind(answer) != _kind(expected):
        return f"it is {_kind(answer)}, expected is {_kind(expected)}"
    if isinstance(expected, bool | str | set | frozenset):
        return "" if answer == expected else f"it is another {type(expected).__name__.replace('str', 'text')}"
    tolerance = 1e-12 if isinstance(expected, Integral) else NUMBER
    return "" if math.isclose(answer, expected, rel_tol=tolerance) else "the number is not right"


def _difference_of_arrays(answer, expected):
    try:
        found = np.asarray(answer)
    except ValueError:  # rows of unequal length
        found = np.asarray(None)
    if found.dtype.kind not in "biuf" or (found.dtype.kind == "b") != (expected.dtype.kind == "b"):
        return f"it is {_kind(answer)}, expected is an array of {expected.dtype}"
    if found.shape != expected.shape:
        return f"it has shape {found.shape}, expected is {expected.shape}"
    if expected.dtype.kind == "f":
        wrong = ~(abs(found - expected) <= ARRAY * abs(expected).max(initial=0))
    else:
        wrong = found != expected
    if not wrong.any():
        return ""
    first = tuple(np.argwhere(wrong)[0].tolist())
    return f"{wrong.sum()} of {wrong.size} entries differ, the first at {first}"
