"""What the explorers share: their JavaScript, mounted by anywidget in a notebook and by a host in a page.

    js/common/*.js     what all of them need       js/MODULE/*.js       one explorer's own
                                                   js/MODULE/*.json     its data: networks.json becomes NETWORKS

The files of a folder are joined by name and see one another; they import and export nothing. A notebook gets both
folders as one module, a page `common.js` once, one module for each explorer, and one for each file of data.
"""

import base64
import html
import importlib.util
import json
import numbers
import operator
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import anywidget
import numpy as np
import traitlets

FOLDER = Path(__file__).parent
DECLARED = re.compile(r"^(?:function|class|const) (\w+)", re.MULTILINE)
COMMENT = re.compile(r"^ *(?://.*|/\*\*(?:.|\n)*?\*/)\n", re.MULTILINE)  # on lines of its own

GIVEN = {}  # part → {name: what gives its values}


@cache
def stylesheet():
    """The one style sheet of all explorers."""
    return (FOLDER / "explorer.css").read_text(encoding="utf-8")


@cache
def code(part):
    """The files of one folder of js/, joined by name."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "js" / part).glob("*.js")))


@cache
def data(part):
    """File name → JavaScript of the data in one folder of js/: networks.json → const NETWORKS = …"""
    held = {
        path.stem: path.read_text(encoding="utf-8") for path in sorted((FOLDER / "js" / part).glob("*.json"))
    }
    held |= {
        name: json.dumps(values(), separators=(",", ":")) for name, values in GIVEN.get(part, {}).items()
    }
    return {f"{name}.js": f"const {name.upper()} = {text.strip()};\n" for name, text in held.items()}


def give_data(part, name, values):
    """Data of an explorer that its folder does not hold as JSON: NAME is what the function `values` gives."""
    GIVEN.setdefault(part, {})[name] = values


def script(part):
    """The data and the code of one folder of js/."""
    return "".join(data(part).values()) + code(part)


def page_module(part):
    """`common`, or an explorer's own folder, as a module of a page, without comments; it exports all it has."""
    text = COMMENT.sub("", code(part))
    exported = f"\nexport {{ {', '.join(DECLARED.findall(text))} }};\n"
    if part == "common":
        return text + exported
    used = [name for name in DECLARED.findall(code("common")) if re.search(rf"\b{name}\b", text)]
    imports = {"common.js": used} | {name: DECLARED.findall(held) for name, held in data(part).items()}
    lines = [f'import {{ {", ".join(names)} }} from "./{name}";' for name, names in imports.items()]
    return "\n".join([*lines, text]) + exported


def page_data(part):
    """File name → a module of a published page with data of an explorer, apart from its code."""
    return {name: f"export {text}" for name, text in data(part).items()}


class Explorer(anywidget.AnyWidget):
    """A widget that computes in its own JavaScript and therefore also works in a page with no kernel.

    A subclass names its `module`, a folder of js/ that declares `render({model, el})` and `still(state)`. Its traits
    with the tag `explorer` are the state that the module reads. `description()` says in words what `still()` shows
    where no script runs: on paper, in a page without JavaScript, to a screen reader.
    """

    module = None
    later = ()  # traits that are set after those they are checked against
    extra = ()  # what else can be given

    def __init_subclass__(cls, **kwargs):
        if "module" in cls.__dict__:  # not for the subclass that traitlets makes of each instance
            cls._esm = cls.module_source()
            cls._css = stylesheet()
        super().__init_subclass__(**kwargs)

    def __init__(self, **values):
        state = self.traits(explorer=True).items()
        known = {*(name for name, trait in state if not trait.read_only), *self.extra}
        unknown = sorted(set(values) - known - {"layout"})
        if unknown:
            name = type(self).__name__
            raise TypeError(f"{name} does not know {', '.join(unknown)}; it knows {', '.join(sorted(known))}")
        # traitlets checks what it is given together in the order of a set, which differs from run to run.
        later = {name: values.pop(name) for name in self.later if name in values}
        super().__init__(**values)
        try:
            for name, value in later.items():
                setattr(self, name, value)
        except traitlets.TraitError:
            self.close()
            raise

    @classmethod
    def module_source(cls):
        """The JavaScript module as a notebook gets it."""
        return f"{script('common')}\n{script(cls.module)}\nexport default {{ render }};\n"

    def state(self):
        """Name → value of every trait that the module reads."""
        return {name: getattr(self, name) for name in self.trait_names(explorer=True)}

    def still(self):
        """The present state as a picture for paper, by the module's own painters → SVG; None without `mini-racer`."""
        if importlib.util.find_spec("py_mini_racer") is None:
            return None
        request = {"source": f"{script('common')}\n{script(self.module)}", "state": self.state()}
        command = [sys.executable, "-P", FOLDER / "draw.py"]
        answer = subprocess.run(
            command, input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True
        )
        return answer.stdout.decode()

    def description(self):
        """The still picture in words."""
        raise NotImplementedError(f"{type(self).__name__} has no description")

    def page_html(self):
        """The explorer for a published page: its state, and the still picture until a host has mounted it."""
        # JSON has no < of its own outside strings, where < means the same and cannot end the script element.
        state = json.dumps(self.state(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        words, still = html.escape(self.description()), self.still()
        if still is None:
            picture = f'<p class="course-still">{words}</p>'
        else:
            size = re.search(r'width="\d+" height="\d+"', still)[0]
            data = base64.b64encode(still.encode()).decode("ascii")
            picture = (
                f'<img class="course-still" {size} alt="{words}" src="data:image/svg+xml;base64,{data}">'
            )
        return (
            f'<div class="course-explorer" data-module="{self.module}">'
            f'<script type="application/json">{state}</script>{picture}</div>'
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.page_html()}, metadata


# --- what values can be ---------------------------------------------------------------------------------------------


def one_of(name, value, allowed):
    if value not in allowed:
        raise traitlets.TraitError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def number(name, value, low, high):
    """`value` as a float from low to high."""
    fits = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not (fits and low <= value <= high):
        raise traitlets.TraitError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def whole(name, value, low, high=None):
    """`value` as an int from low, or from low to high."""
    try:
        integer = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        integer = None
    if integer is None or integer < low or (high is not None and integer > high):
        limits = f"from {low}" if high is None else f"from {low} to {high}"
        raise traitlets.TraitError(f"{name} must be a whole number {limits}, got {value!r}")
    return integer


def grays(name, value, side):
    """A square of gray values, an array or nested lists → nested lists of ints."""
    info = f"{name} must be {side} rows of {side} whole numbers from 0 to 255"
    try:
        picture = np.asarray(value)
    except ValueError:
        picture = np.empty(0)
    if picture.shape != (side, side):
        raise traitlets.TraitError(f"{info}, got shape {picture.shape}")
    if picture.dtype.kind not in "iu":
        raise traitlets.TraitError(f"{info}, got {picture.dtype}")
    if picture.min() < 0 or picture.max() > 255:
        raise traitlets.TraitError(f"{info}, got values from {picture.min()} to {picture.max()}")
    return picture.tolist()


def index(name, value, sizes, words):
    """A list of as many whole numbers as there are sizes, each below its own."""
    whole_ones = isinstance(value, list | tuple) and all(isinstance(i, numbers.Integral) for i in value)
    if not (
        whole_ones and len(value) == len(sizes) and all(0 <= i < n for i, n in zip(value, sizes, strict=True))
    ):
        raise traitlets.TraitError(f"{name} must be {words}, got {value}")
    return [int(i) for i in value]


class Checked(traitlets.TraitType):
    """A trait of the module's state whose value goes through one of the checks above.

    Checked(whole, 1, 4, default=2)     →     whole(name, value, 1, 4)
    """

    def __init__(self, check, *limits, default=traitlets.Undefined):
        super().__init__(default)
        self.check, self.limits = check, limits
        self.tag(sync=True, explorer=True)

    def validate(self, owner, value):
        return self.check(self.name, value, *self.limits)
