"""Links and pictures: to labels, to pages of the book, to files of the repository, outside."""

import base64
import mimetypes
import posixpath
import re

from .text import EXTERNAL, literal, normalized

LARGEST_IMAGE = 300 * 1024  # bytes; more would make the notebook slow to open


class Links:
    """The links of one page.

    known    label → Target, of this chapter, the others and the site
    problem  called with a sentence for each link that leads nowhere
    """

    def __init__(self, page, book, known, problem):
        self.page, self.book, self.known, self.problem = page, book, known, problem

    def url(self, page, anchor=""):
        return f"{self.book.site_url}/{page}.html" + (f"#{anchor}" if anchor else "")

    def reference(self, label, text=""):
        """A link to a label: of this notebook, of another chapter, or of a page of the site."""
        target = self.known.get(normalized(label))
        if target is None:
            self.problem(f"nothing carries the label {label!r}")
            return text or label
        text = text or target.text
        if not text:
            self.problem(f"{label!r} has no title: give the link a text")
        if target.page == self.page:
            return f"[{text}](#{'-'.join(label.split())})"
        return f"[{text}]({self.url(target.page, target.anchor)})" if self.book.site_url else text

    def hyperlink(self, whole, text, destination):
        """[text](destination): outside, to a label, to a page of the book, or to a file of the repository."""
        if EXTERNAL.match(destination):
            return f"[{text}]({destination})" if text else f"<{destination}>"
        path, _, label = destination.partition("#")
        if not path:
            return self.reference(label, text)
        folder = "" if path.startswith("/") else posixpath.dirname(self.page)
        path = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
        page = re.sub(r"\.(md|ipynb)$", "", path)
        if page in self.book.titles:
            if normalized(label) in self.known:
                return self.reference(label, text or self.known[normalized(label)].text)
            text = text or literal(self.book.titles[page])
            return f"[{text}]({self.url(page, label)})" if self.book.site_url else text
        if (self.book.root / path).exists() and not path.startswith(".."):
            text = text or f"`{path}`"
            if not self.book.repository_url:
                return text
            repository = self.book.repository_url.removesuffix(".git")
            return f"[{text}]({repository}/blob/{self.book.repository_tag}/{path})"
        self.problem(f"{whole} leads to neither a page of the book nor a file of the repository")
        return text or whole

    def image(self, alt, path):
        """A picture, embedded."""
        if path.startswith("data:") or EXTERNAL.match(path):
            return f"![{alt}]({path})"
        folder = "" if path.startswith("/") else posixpath.dirname(self.page)
        file = self.book.root / posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
        if not file.is_file():
            self.problem(f"there is no picture {path}")
            return path
        content = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0]
        if len(content) > LARGEST_IMAGE:
            self.problem(
                f"the picture {path} has {len(content) // 1024} KB; at most {LARGEST_IMAGE // 1024} KB can be embedded"
            )
        elif not (kind or "").startswith("image/"):
            self.problem(f"{path} is no picture")
        return f"![{alt}](data:{kind};base64,{base64.b64encode(content).decode()})"
