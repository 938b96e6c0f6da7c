"""A function of x and y that a reader writes: read without `eval`, computed with its two slopes.

    sum      product, then any number of + product, - product
    product  sign, then any number of * sign, / sign; * may be left out before a name or a parenthesis: 2x, 3(x+1), xy
    sign     + sign, - sign, or power
    power    atom, or atom ^ sign; ** is the same
    atom     a number, x, y, pi, e, a function with its argument in parentheses, or a sum in parentheses

So -x^2 is -(x^2), and 2^3^2 is 2^(3^2). After / or a power of other than a number no * may be left out: 1/2x could be
read in two ways. The explorer's formula.js follows these lines, with the same order of arithmetic.
"""

import re

import numpy as np

LONGEST = 200  # characters
DEEPEST = 30  # parentheses inside one another
WHOLE = 16  # up to this whole exponent a power is a product
CONSTANTS = {"pi": np.pi, "e": np.e}
SIGNS = {"−": "-", "–": "-", "·": "*", "×": "*", "÷": "/"}
TOKEN = re.compile(
    r"\s*(?:((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|([A-Za-z]+)|(\*\*|[-+*/^()])|(\S))"
)

# Name → (f(a), and f'(a) from a and the value v = f(a)). They are torch's, where there is a choice: |a|' is 0 at 0.
FUNCTIONS = {
    "sin": (np.sin, lambda a, v: np.cos(a)),
    "cos": (np.cos, lambda a, v: -np.sin(a)),
    "tan": (np.tan, lambda a, v: 1 + v * v),
    "exp": (np.exp, lambda a, v: v),
    "log": (np.log, lambda a, v: 1 / a),
    "sqrt": (np.sqrt, lambda a, v: 0.5 / v),
    "abs": (np.abs, lambda a, v: np.sign(a)),
    "tanh": (np.tanh, lambda a, v: 1 - v * v),
}


class FormulaError(ValueError):
    """What is wrong with a function, in one sentence with the place."""


def tokens(text):
    """Text → [(kind, what it is, its place from 1, as written)], with xy as x and y."""
    found = []
    for match in TOKEN.finditer("".join(SIGNS.get(letter, letter) for letter in text)):
        kind = match.lastindex
        word, place = match[kind], match.start(kind) + 1
        if kind == 4:
            raise FormulaError(f"'{text[place - 1]}' is not understood at position {place}.")
        if kind == 1:
            found.append(("number", float(word), place, word))
        elif kind == 3:
            found.append(("sign", "^" if word == "**" else word, place, word))
        elif word in FUNCTIONS:
            found.append(("function", word, place, word))
        elif word in CONSTANTS or not set(word) - set("xy"):
            parts = [word] if word in CONSTANTS else word
            found += [("name", part, place + at, part) for at, part in enumerate(parts)]
        else:
            known = ", ".join(["x", "y", *CONSTANTS, *FUNCTIONS])
            raise FormulaError(f"'{word}' is not known at position {place}; known are {known}.")
    return found


class Parser:
    """Reads the tokens of a function from left to right → its tree, of lists [what, …parts]."""

    def __init__(self, text):
        if len(text) > LONGEST:
            raise FormulaError(f"A function has at most {LONGEST} characters, this one has {len(text)}.")
        self.text, self.tokens, self.at, self.depth = text, tokens(text), 0, 0
        if not self.tokens:
            raise FormulaError("A function of x and y is missing.")

    @property
    def next(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", None, len(self.text) + 1, "")

    def take(self, *signs):
        """The next token if it is one of these signs, else None."""
        token = self.next
        if token[0] != "sign" or token[1] not in signs:
            return None
        self.at += 1
        return token

    def tree(self):
        tree = self.sum()
        kind, _, place, word = self.next
        if kind == "sign":  # only a parenthesis can be left
            raise FormulaError(f"The '{word}' at position {place} closes nothing.")
        if kind != "end":
            raise FormulaError(f"An operator is missing before position {place}.")
        return tree

    def sum(self):
        tree = self.product()
        while token := self.take("+", "-"):
            tree = [token[1], tree, self.product()]
        return tree

    def product(self):
        tree, divided = self.sign(), False
        last = tree
        while True:
            kind, word, place, _ = self.next
            if token := self.take("*", "/"):
                divided = token[1] == "/"
                last = self.sign()
                tree = [token[1], tree, last]
            elif kind in ("name", "function") or (kind, word) == ("sign", "("):
                while last[0] == "negative":
                    last = last[1]
                if divided or (last[0] == "^" and last[2][0] != "number"):
                    raise FormulaError(
                        f"A '*' or parentheses are needed before position {place}: it can be read in two ways."
                    )
                last = self.power()
                tree = ["*", tree, last]
            else:
                return tree

    def sign(self):
        if token := self.take("+", "-"):
            part = self.sign()
            return ["negative", part] if token[1] == "-" else part
        return self.power()

    def power(self):
        tree = self.atom()
        return ["^", tree, self.sign()] if self.take("^") else tree

    def atom(self):
        kind, word, place, written = self.next
        if kind == "number":
            self.at += 1
            return ["number", word]
        if kind == "name":
            self.at += 1
            return ["number", CONSTANTS[word]] if word in CONSTANTS else [word]
        if kind == "function":
            self.at += 1
            if self.next[:2] != ("sign", "("):
                raise FormulaError(f"A '(' is missing after '{word}' at position {place}.")
            return [word, self.atom()]
        if token := self.take("("):
            self.depth += 1
            if self.depth > DEEPEST:
                raise FormulaError(f"More than {DEEPEST} parentheses inside one another at position {place}.")
            tree = self.sum()
            self.depth -= 1
            if self.next[0] not in ("end", "sign"):
                raise FormulaError(f"An operator is missing before position {self.next[2]}.")
            if not self.take(")"):
                raise FormulaError(f"A ')' is missing for the '(' at position {token[2]}.")
            return tree
        if self.at == 0:
            raise FormulaError(f"An operand is missing before '{written}' at position {place}.")
        _, _, place, written = self.tokens[self.at - 1]
        raise FormulaError(f"An operand is missing after '{written}' at position {place}.")


def power(a, n):
    """aⁿ for a whole n of at most `WHOLE` as a product, a·a·…, so that it is the same everywhere; else by `pow`"""
    if n != np.floor(n) or abs(n) > WHOLE:
        return np.power(a, n)
    value = a * 0 + 1.0
    for _ in range(int(abs(n))):
        value = value * a
    return 1 / value if n < 0 else value


def is_constant(tree):
    return tree[0] not in ("x", "y") and all(is_constant(part) for part in tree[1:] if isinstance(part, list))


def dual(tree, x, y):
    """(f, ∂f/∂x, ∂f/∂y) of a tree at (x, y): numbers that carry their slopes along, by the rules of the derivative"""
    what, *parts = tree
    if what == "number":
        return parts[0] + 0 * x, 0 * x, 0 * x
    if what in ("x", "y"):
        return (x, 0 * x + 1, 0 * x) if what == "x" else (y, 0 * x, 0 * x + 1)
    a, ax, ay = dual(parts[0], x, y)
    if what == "negative":
        return -a, -ax, -ay
    if what in FUNCTIONS:
        value, slope = FUNCTIONS[what]
        v = value(a)
        s = slope(a, v)
        return v, s * ax, s * ay
    if what == "^" and is_constant(parts[1]):
        n = float(dual(parts[1], 0.0, 0.0)[0])
        s = n * power(a, n - 1) if n else 0 * a
        return power(a, n), s * ax, s * ay
    b, bx, by = dual(parts[1], x, y)
    if what == "+":
        return a + b, ax + bx, ay + by
    if what == "-":
        return a - b, ax - bx, ay - by
    if what == "*":
        return a * b, ax * b + a * bx, ay * b + a * by
    if what == "/":
        v = a / b
        return v, (ax - v * bx) / b, (ay - v * by) / b
    v, log, s = np.power(a, b), np.log(a), b / a  # aᵇ with x or y in the exponent
    return v, v * (s * ax + log * bx), v * (s * ay + log * by)


def function(text):
    """Text → height(x, y) and slope(x, y), entry by entry in float64; `FormulaError` says what is wrong with it"""
    tree = Parser(text).tree()

    def computed(x, y):
        with np.errstate(all="ignore"):
            return dual(tree, np.asarray(x, np.float64)[()], np.asarray(y, np.float64)[()])

    return lambda x, y: computed(x, y)[0], lambda x, y: computed(x, y)[1:]
