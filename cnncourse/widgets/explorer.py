"""What the explorers share: one JavaScript module each, mounted by anywidget in a notebook, by a host in a page."""

import base64
import html
import json
from functools import cache
from pathlib import Path

import anywidget

FOLDER = Path(__file__).parent


@cache
def stylesheet():
    """The one style sheet of all explorers."""
    return (FOLDER / "explorer.css").read_text(encoding="utf-8")


class Explorer(anywidget.AnyWidget):
    """A widget that computes in its own JavaScript and therefore also works in a page with no kernel.

    A subclass names its `module`; beside this file stands MODULE.js, a module with a default export `{render}`.
    `common.js` is put in front of it. `state()` lists the traits the module reads; `still()` is a picture (PNG) and
    `description()` a sentence for where no script runs: print, a page without JavaScript, a screen reader.
    """

    module = None

    def __init_subclass__(cls, **kwargs):
        if "module" in cls.__dict__:  # not for the subclass that traitlets makes of each instance
            cls._esm = cls.module_source()
            cls._css = stylesheet()
        super().__init_subclass__(**kwargs)

    @classmethod
    def module_source(cls):
        """The JavaScript module, as a notebook gets it and as the site publishes it."""
        sources = [FOLDER / "common.js", FOLDER / f"{cls.module}.js"]
        return "\n".join(path.read_text(encoding="utf-8") for path in sources)

    def state(self):
        """Name → value of every trait that the module reads."""
        return {name: getattr(self, name) for name in self.trait_names(explorer=True)}

    def still(self):
        """A PNG of the present state, light, as bytes."""
        raise NotImplementedError(f"{type(self).__name__} has no still picture")

    def description(self):
        """The still picture in words."""
        raise NotImplementedError(f"{type(self).__name__} has no description")

    def page_html(self):
        """The explorer for a published page: its state, and the still picture until a host has mounted it."""
        # JSON has no < of its own outside strings, where < means the same and cannot end the script element.
        state = json.dumps(self.state(), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        still = base64.b64encode(self.still()).decode("ascii")
        return (
            f'<div class="course-explorer" data-module="{self.module}">'
            f'<script type="application/json">{state}</script>'
            f'<img class="course-still" alt="{html.escape(self.description())}" src="data:image/png;base64,{still}">'
            "</div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.page_html()}, metadata
