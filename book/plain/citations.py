"""Citations as names and years, and the reference list of a chapter."""

from types import MappingProxyType

from pybtex.backends.markdown import Backend as MarkdownBackend
from pybtex.backends.plaintext import Backend as TextBackend
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

from .text import literal

# Made once: pybtex looks through all installed packages for every style and backend that it names.
STYLE, BARE = Style(), TextBackend()


class Citations:
    """The citations of one chapter: `keys` holds what was cited so far, `references()` lists it.

    cited    keys of the first reading: equal names and years are told apart by letters
    problem  called with a sentence for each key that the bibliography lacks
    """

    def __init__(self, bibliography, cited, problem):
        self.bibliography, self.cited, self.problem = bibliography, cited, problem
        self.keys = []

    def citation(self, keys, textual):
        parts = []
        for key in (key.strip() for key in keys.split(",")):
            if key not in self.bibliography.entries:
                self.problem(f"the bibliography has no entry {key!r}")
                continue
            if key not in self.keys:
                self.keys.append(key)
            names, year = self.names_and_year(key)
            year += self.letter(key)
            parts.append(f"{names} ({year})" if textual else f"{names}, {year}")
        return " and ".join(parts) if textual else f"({'; '.join(parts)})"

    def names_and_year(self, key):
        """LeCun et al., 1998: one name, two names, or the first of more."""
        entry = self.bibliography.entries[key]
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [
            Text(" ").join([*person.rich_prelast_names, *person.rich_last_names]).render(BARE)
            for person in people
        ]
        if len(names) > 2:
            names = [f"{names[0]} et al."]
        if not names:
            names = [Text.from_latex(entry.fields.get("title", key)).render(BARE)]
        return literal(" and ".join(names)), literal(entry.fields.get("year", "no year"))

    def letter(self, key):
        """a, b, … for entries of this notebook that would read alike, in the order of the reference list."""
        alike = [other for other in self.cited if self.names_and_year(other) == self.names_and_year(key)]
        if len(alike) < 2:
            return ""
        ranked = [entry.key for entry in STYLE.format_bibliography(self.bibliography, alike)]
        return "abcdefghijklmnopqrstuvwxyz"[[name.lower() for name in ranked].index(key.lower())]

    def references(self):
        for entry in STYLE.format_bibliography(self.bibliography, self.keys):
            letter = self.letter(entry.key)
            mark = f"({self.names_and_year(entry.key)[1]}{letter}) " if letter else ""
            yield f"- {mark}{entry.text.render(Entries())}"


class Entries(MarkdownBackend):
    """pybtex's Markdown on one line, without a backslash before every dot and parenthesis."""

    symbols = MappingProxyType({"ndash": "–", "newblock": " ", "nbsp": " "})

    def format_str(self, text):
        return literal(text)
