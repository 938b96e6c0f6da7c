"""MyST's Markdown in the Markdown that every Jupyter and Colab shows: blocks, directives, roles."""

import html
import re
from collections import Counter

from docutils.nodes import make_id
from myst_nb.core.variables import format_plain_text
from myst_parser.parsers.options import TokenizeError, options_to_items

from .citations import Citations
from .links import Links
from .text import (
    CLOSED,
    OPENED,
    VALUE,
    Target,
    anchor,
    as_html,
    folded,
    indented,
    led,
    literal,
    normalized,
    on_one_line,
    quoted,
    trimmed,
    uncommented,
)

# Directives that are boxes with a title of their own.
BOXES = {
    "note": "Note", "tip": "Tip", "hint": "Hint", "important": "Important", "warning": "Warning",
    "caution": "Caution", "attention": "Attention", "danger": "Danger", "error": "Error", "seealso": "See also",
}  # fmt: skip

# The parts of a paragraph that are translated or must be left alone. What none of them takes is copied.
INLINE = re.compile(
    r"""
      (?P<escape> \\. )
    | (?P<comment> <!--.*?--> )
    | \{\{ (?P<substitution> .*? ) \}\}
    | \{ (?P<role> [\w:.+-]+ ) \} (?P<ticks> `+ ) (?P<content> .+? ) (?<!`) (?P=ticks) (?!`)
    | (?P<code> (?P<tick> `+ ) .+? (?<!`) (?P=tick) (?!`) )
    | (?P<math> \$\$ .+? \$\$ | \$ (?: \\. | [^$\\] )+ \$ )
    | \[\^ (?P<footnote> [^\]\s]+ ) \]
    | !\[ (?P<alt> [^\]]* ) \] \( (?P<src> <[^>]*> | [^)\s]+ ) (?: \s+ "[^"]*" )? \)
    | \[ (?P<text> (?: \\. | `[^`]*` | \$[^$]*\$ | !?\[[^\]]*\] (?: \([^)]*\) )? | [^\[\]\\] )*+ ) \]
      \( (?P<dest> <[^>]*> | (?: [^()\s] | \([^()\s]*\) )* ) (?: \s+ "[^"]*" )? \)
    | < (?P<scheme> [A-Za-z][\w+.-]+ ) : (?P<address> [^>\s]+ ) >
    """,
    re.VERBOSE | re.DOTALL,
)
FENCE = re.compile(r"^(?P<lead>\s*(?:(?:[-*+]|\d+[.)])\s+)?)(?P<mark>`{3,}|~{3,}|:{3,})\s*(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\{([^}]+)\}\s*(.*)$")
MATH_END = re.compile(r"^.*?\$\$\s*(?:\([^)$]+\))?\s*$")
NEW_BLOCK = re.compile(r"^\s*([-*+]|\d+[.)])\s|^\s*#|^\s*\|")  # an unclosed $ or ` does not reach past these
EXTERNAL = re.compile(r"^(https?|mailto):", re.IGNORECASE)
TITLED = re.compile(r"^(?P<title>.+?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)


class Prose:
    """The text of one chapter: `blocks(lines)` translates it and leaves targets, citations and problems behind.

    glued  name → (data, prefix) of what executed cells store
    known  label → Target, from the first reading of all chapters and from the site
    cited  keys of the first reading
    """

    def __init__(self, page, book, glued, known, cited):
        self.page, self.book, self.glued, self.known = page, book, glued, known
        self.targets, self.problems, self.counts, self.place = {}, [], Counter(), ""
        self.links = Links(page, book, known, self.problem)
        self.citations = Citations(book.bibliography, cited, self.problem)
        prefix = re.match(r"\d+", page.rpartition("/")[2])
        self.prefix = f"{prefix[0]}." if prefix else ""

    def problem(self, sentence):
        self.problems.append(f"{self.place}: {sentence}")

    # Blocks

    def blocks(self, lines):
        """Translate lines of Markdown: directives, labels, display math, comments; the rest goes to `inline`."""
        out, text, index = [], [], 0

        def end_text():
            lines = self.paragraphs(text)
            text.clear()
            if lines and not lines[0] and (not out or not out[-1].strip()):
                lines = lines[1:]
            out.extend(lines)

        def put(block, lead=""):
            end_text()
            for lines in (indented(block, lead), []):
                if out and out[-1].strip():
                    out.append("")
                out.extend(lines)

        while index < len(lines):
            line = lines[index]
            fence = FENCE.match(line)
            if fence and not (fence["mark"][0] == "`" and "`" in fence["info"]):
                body, after = self.fenced(lines, index, fence)
                directive = DIRECTIVE.match(fence["info"])
                if directive:
                    put(self.directive(directive[1].strip(), directive[2].strip(), body), fence["lead"])
                elif fence["mark"][0] == ":":
                    self.problem(f"a colon fence without a directive: {line.strip()}")
                else:
                    end_text()
                    out.extend(lines[index:after])
                index = after
            elif line.lstrip().startswith("$$"):
                end = self.end_of_math(lines, index)
                if end is None:
                    text.append(line)
                    index += 1
                    continue
                lead = line[: len(line) - len(line.lstrip())]
                content = "\n".join(lines[index : end + 1]).strip()[2:]
                body, _, label = content.rpartition("$$")
                put(self.equation(body, label.strip().removeprefix("(").removesuffix(")")), lead)
                index = end + 1
            elif line.lstrip().startswith(">"):
                end = index
                while end < len(lines) and lines[end].lstrip().startswith(">"):
                    end += 1
                inner = [re.sub(r"^\s*> ?", "", part) for part in lines[index:end]]
                put(quoted(self.blocks(inner)), line[: len(line) - len(line.lstrip())])
                index = end
            elif label := re.match(r"^ {0,3}\((.+)\)=\s*$", line):
                rest = next((part for part in lines[index + 1 :] if part.strip()), "")
                heading = re.match(r"^#+\s+(.*?)\s*#*$", rest)
                title = self.inline(heading[1]) if heading else ""
                self.target(label[1], Target(self.page, make_id(label[1]), title))
                put([anchor(label[1])])
                index += 1
            elif re.match(r"^ {0,3}%|^\+\+\+", line):  # ends a paragraph and is not shown
                put([])
                index += 1
            else:
                text.append(line)
                index += 1
        end_text()
        return trimmed(out)

    def fenced(self, lines, start, fence):
        """The lines inside a fence, without its indentation, and the index after its closing line."""
        mark, width = fence["mark"], len(fence["lead"])
        closing = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        end = next((i for i in range(start + 1, len(lines)) if closing.match(lines[i])), None)
        if end is None:
            self.problem(f"a block is opened and never closed: {lines[start].strip()}")
            end = len(lines)
        body = [line[min(width, len(line) - len(line.lstrip())) :] for line in lines[start + 1 : end]]
        return body, end + 1

    def end_of_math(self, lines, start):
        """The index of the line that closes the display math opened on line `start`; None if a paragraph goes on."""
        if "$$" in (rest := lines[start].lstrip()[2:]):
            return start if MATH_END.match(rest) else None
        return next((i for i in range(start + 1, len(lines)) if MATH_END.match(lines[i])), None)

    def paragraphs(self, lines):
        """Text without blocks; blank lines in a row become one."""
        pieces = [[]]
        for line in lines:
            if not line.strip() or not (pieces[-1] and pieces[-1][-1].strip()) or NEW_BLOCK.match(line):
                pieces.append([])
            pieces[-1].append(line)
        out = []
        for piece in filter(None, pieces):
            if not piece[0].strip():
                if out and out[-1].strip():
                    out.append("")
                continue
            self.refuse(piece)
            out.extend(self.inline("\n".join(piece)).split("\n"))
        return ["", *out] if lines and not lines[0].strip() else out

    def refuse(self, lines):
        """Markup that the site shows and plain notebooks do not, and that chapters can do without."""
        for line in lines:
            if re.match(r"^ {0,3}:\s+\S", line):
                self.problem(f"a definition list has no plain form; use a list: {line.strip()}")
            elif re.match(r"^ {0,3}\\begin\{", line):
                self.problem(f"display math must stand between $$ and $$: {line.strip()}")
            elif re.search(r"<img\b[^>]*\bsrc=[\"'](?!data:|https?:)", line):
                self.problem(
                    f"write the picture as ![text](path), so that it can be embedded: {line.strip()}"
                )
            elif (entry := re.match(r"^ {0,3}\[[^\]^]+\]:\s+(\S+)", line)) and not EXTERNAL.match(entry[1]):
                self.problem(
                    f"a link definition may only lead outside; write the link in the text: {line.strip()}"
                )

    # Directives

    def directive(self, name, argument, lines):
        options, body = self.options(name, lines)
        classes = options.get("class", "").split()
        if name in BOXES or name == "admonition":
            if name in BOXES and argument:  # these take no title: what stands on their first line is text
                argument, body = "", [argument, *body]
            title = self.inline(argument) if argument else BOXES.get(name, "")
            if "dropdown" in classes:
                return folded(title, self.blocks(body))
            return quoted([f"**{title}**", "", *self.blocks(body)])
        if name in ("exercise", "exercise-start"):
            title = f" ({self.inline(argument)})" if argument else ""
            if "nonumber" in options:
                return [f"**Exercise{title}**", "", *self.blocks(body)]
            label, number = self.number("Exercise", options.get("label", ""))
            return [f"{label}**{number}{title}**", "", *self.blocks(body)]
        if name == "solution":
            return folded(self.solution_title(argument), self.blocks(body))
        if name == "solution-start":
            return [OPENED + argument, *self.blocks(body)]
        if name == "solution-end":
            return [CLOSED]
        if name == "exercise-end":
            return []
        if name == "figure":
            return self.figure(argument, options, body)
        if name == "math":
            return self.equation("\n".join([argument, *body]), options.get("label", options.get("name", "")))
        self.problem(f"the directive {{{name}}} has no plain form")
        return []

    def options(self, name, lines):
        """Split a directive's lines into its options, `:key: value` or YAML between dashes, and its body."""
        head = []
        if lines and lines[0].startswith("---"):
            end = next((i for i, line in enumerate(lines[1:], start=1) if line.startswith("---")), len(lines))
            head, lines = lines[1:end], lines[end + 1 :]
        else:
            while lines and re.match(r"\s*:(?!::)", lines[0]):
                head.append(lines[0].lstrip()[1:])
                lines = lines[1:]
        try:
            return dict(options_to_items("\n".join(head))[0]), lines
        except TokenizeError as error:
            self.problem(f"the options of {{{name}}} cannot be read: {error.problem}")
            return {}, lines

    def number(self, kind, label):
        """Count a figure, an exercise or an equation; remember its label → (its anchor, what it is called)."""
        self.counts[kind] += 1
        number = f"{self.prefix}{self.counts[kind]}"
        name = f"({number})" if kind == "Equation" else f"{kind} {number}"
        if not label:
            return "", name
        site_anchor = make_id(f"equation-{label}" if kind == "Equation" else label)
        self.target(label, Target(self.page, site_anchor, name, number))
        return f"{anchor(label)}\n", name

    def target(self, label, target):
        if normalized(label) in self.targets:
            self.problem(f"the label {label} is used twice")
        self.targets[normalized(label)] = target

    def solution_title(self, label):
        target = self.known.get(normalized(label))
        if target is None or not target.text.startswith("Exercise"):
            self.problem(f"a solution to {label!r}, which is no exercise")
            return "Solution"
        return f"Solution to {target.text[0].lower()}{target.text[1:]}"

    def figure(self, path, options, body):
        picture = self.links.image(options.get("alt", ""), path)
        caption = self.blocks(body)
        if not caption and "name" not in options:
            return [picture]
        label, number = self.number("Figure", options.get("name", ""))
        return [f"{label}{picture}", "", *led(f"**{number}.**", caption)]

    def equation(self, body, label):
        """Display math; the site lines up rows by itself, MathJax alone wants an environment for it."""
        body = uncommented(body).strip()
        if "\\begin{" not in body and re.search(r"\\\\|(?<!\\)&", body):
            body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
        above = []
        if label:
            mark, name = self.number("Equation", re.sub(r"\s+", "-", label))
            body, above = f"{body} \\tag{{{name[1:-1]}}}", [mark.strip(), ""]
        return [*above, "$$", *filter(str.strip, body.split("\n")), "$$"]

    # Inside paragraphs

    def inline(self, text):
        return INLINE.sub(self.part, text)

    def part(self, match):
        whole, part = match[0], match.groupdict()
        if part["role"]:
            return self.role(part["role"], " ".join(part["content"].split("\n")))
        if part["math"]:
            return on_one_line(whole) if "\n" in whole else whole
        if part["substitution"] is not None:
            return self.substitution(part["substitution"].strip())
        if part["footnote"]:
            self.problem(f"the footnote [^{part['footnote']}] has no plain form; say it in the text")
        elif part["src"]:
            return self.links.image(part["alt"], part["src"].strip("<>"))
        elif part["dest"] is not None:
            return self.links.hyperlink(whole, self.inline(part["text"]), part["dest"].strip("<>"))
        elif part["scheme"] and not EXTERNAL.match(f"{part['scheme']}:"):
            self.problem(f"the link {whole} has no plain form; write [text](#label)")
        return whole

    def role(self, name, content):
        explicit = TITLED.match(content)
        title, target = (explicit["title"], explicit["target"]) if explicit else ("", content)
        if name in ("ref", "eq"):
            return self.links.reference(target, self.inline(title))
        if name == "numref":
            return self.numbered_reference(target, title)
        if name == "doc":
            return self.links.hyperlink(content, self.inline(title), target)
        if name == "download":
            return self.links.hyperlink(content, self.inline(title) or f"`{target}`", target)
        if name in ("cite", "cite:p", "cite:t"):
            return self.citations.citation(content, textual=name == "cite:t")
        if name in ("glue", "glue:", "glue:any", "glue:md"):
            return self.glue(content)
        if name == "glue:text":
            key, _, form = content.rpartition(":") if ":" in content else (content, "", "s")
            return self.glue(key, form)
        if name == "math":
            return f"${content}$"
        if name == "code":
            return f"`{content}`"
        if name == "term":
            return self.inline(title or content)
        if name in ("kbd", "sub", "sup"):
            return f"<{name}>{as_html(literal(content))}</{name}>"
        if name == "abbr":
            short, meaning = re.match(r"^(.*?)\s*(?:\((.*)\))?$", content).groups()
            return f'<abbr title="{html.escape(meaning)}">{short}</abbr>' if meaning else short
        self.problem(f"the role {{{name}}} has no plain form")
        return content

    def numbered_reference(self, label, text):
        target = self.known.get(normalized(label))
        if target is not None and not target.number:
            self.problem(f"{label!r} has no number; use {{ref}}")
        elif target is not None:
            text = text.replace("%s", target.number).replace("{number}", target.number)
        return self.links.reference(label, self.inline(text))

    def substitution(self, key):
        if key not in self.book.substitutions:
            self.problem(f"the substitution {{{{ {key} }}}} is not configured")
            return key
        return self.inline(str(self.book.substitutions[key]))

    def glue(self, key, form="s"):
        """A value that the executed notebook stores under a name."""
        if key not in self.glued:
            self.problem(f"no executed cell glues a value called {key!r}")
            return key
        data, prefix = self.glued[key]
        data = {kind.removeprefix(prefix): value for kind, value in data.items()}
        if form == "s" and "image/png" in data:
            return f"![{literal(key)}](data:image/png;base64,{''.join(data['image/png'].split())})"
        if form == "s" and "text/markdown" in data:
            return self.inline(data["text/markdown"].strip())
        if form == "s" and "text/latex" in data:
            return f"${data['text/latex'].strip().strip('$').strip()}$"
        if "text/plain" not in data:
            self.problem(f"the value glued as {key!r} has no text, only {', '.join(sorted(data))}")
            return key
        try:
            text = literal(format_plain_text(data["text/plain"], form))
        except (TypeError, ValueError) as error:
            self.problem(f"the value glued as {key!r} cannot be written as {form!r}: {error}")
            return key
        return VALUE.format(key if form == "s" else f"{key}:{form}", text)
