"""What only the site could show: lines of a notebook that still hold MyST."""

import re

LEFT_OVER = re.compile(
    r"""
      \{[\w:.+-]+\}`            # a role
    | ^\s*(?:`{3,}|~{3,})\s*\{  # a directive
    | ^\s*:::                   # a colon fence
    | ^\s*\([^()]+\)=\s*$       # a label
    | \{\{.*?\}\}               # a substitution
    | ^[ ]{0,3}%                # a comment
    | ^\+\+\+                   # a cell break
    | \0                        # a gated solution inside another block
    """,
    re.VERBOSE,
)


def leftovers_of(source):
    """Lines of Markdown with syntax that only the site reads, outside code and math."""
    lines, fence = [], None
    for line in source.split("\n"):
        line = re.sub(r"^[\s>]*> ?", "", line)
        mark = re.match(r"^\s*(`{3,}|~{3,})([^`]*)$", line)
        if fence is not None:
            fence = None if mark and mark[1].startswith(fence) and not mark[2].strip() else fence
        elif mark and not mark[2].lstrip().startswith("{"):
            fence = mark[1]
        else:
            lines.append(line)
    text = re.sub(r"\$\$.*?\$\$|(?<!\\)\$(?:\\.|(?!\n\n)[^$\\])+\$", "$", "\n".join(lines), flags=re.DOTALL)
    without_code = re.compile(r"(?<!\})(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
    return [line for line in text.split("\n") if LEFT_OVER.search(without_code.sub("", line))]


def leftovers(notebook):
    """Every line of a notebook's Markdown cells with syntax that only the site reads."""
    return [
        line for cell in notebook.cells if cell.cell_type == "markdown" for line in leftovers_of(cell.source)
    ]
