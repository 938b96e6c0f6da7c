"""What `table` found: rows, totals, a plain-text and an HTML form."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Row:
    """One call of one layer. Blanks are None."""

    layer: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    predicted_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    activation_bytes: int
    receptive_field: int | tuple[int, ...] | None
    jump: int | tuple[int, ...] | None

    @property
    def agrees(self) -> bool:
        """Whether the measured shape is the predicted one, or none was predicted."""
        return self.predicted_shape in (None, self.output_shape)


@dataclass(frozen=True, repr=False)
class Table:
    """What `table` found: rows, totals, a plain-text and an HTML form. Iterating gives the rows; table["conv1"] gives
    the first row of that layer, table[0] the first row."""

    model: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    parameter_bytes: int
    measured_multiply_adds: int

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        return sum(row.activation_bytes for row in self.rows)

    @property
    def disagreements(self) -> tuple[Row, ...]:
        """The rows whose predicted shape is not the measured one."""
        return tuple(row for row in self.rows if not row.agrees)

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        if not isinstance(key, str):
            return self.rows[key]
        for row in self.rows:
            if row.layer == key:
                return row
        names = ", ".join(dict.fromkeys(row.layer for row in self.rows))
        raise KeyError(f"no layer {key!r}; the layers are {names}")

    HEADINGS = ("layer", "kind", "output shape", "parameters", "multiply-adds", "memory", "field", "jump")

    def _caption(self):
        return f"{self.model} on {self.input_shape}"

    def _cells(self):
        for r in self.rows:
            shape = "–" if r.output_shape is None else str(r.output_shape)
            if not r.agrees:
                shape += f" (predicted {r.predicted_shape})"
            counts = f"{r.parameters:,}", f"{r.multiply_adds:,}", _bytes(r.activation_bytes)
            yield (r.layer, r.kind, shape, *counts, _text(r.receptive_field), _text(r.jump))

    def _total(self):
        counts = f"{self.parameters:,}", f"{self.multiply_adds:,}", _bytes(self.activation_bytes)
        return ("total", "", "", *counts, "", "")

    def _notes(self):
        predicted = [r for r in self.rows if r.predicted_shape is not None]
        yield (
            f"{len(predicted) - len(self.disagreements)} of {len(predicted)} predicted shapes equal the measured ones. "
            f"Parameters take {_bytes(self.parameter_bytes)}."
        )
        yield "Multiply-adds are those of convolutions and matrix products, biases not counted; other layers show 0."
        if self.measured_multiply_adds != self.multiply_adds:
            yield (
                f"The operators that ran made {self.measured_multiply_adds:,} multiply-adds: "
                f"{self.measured_multiply_adds - self.multiply_adds:+,} against the rows above."
            )

    def __str__(self):
        lines = [self.HEADINGS, *self._cells(), self._total()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        align = [str.ljust] * 3 + [str.rjust] * 5  # words to the left, numbers to the right
        head, *body, total = (
            "  ".join(put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)).rstrip()
            for line in lines
        )
        rule = "─" * (sum(widths) + 2 * len(widths) - 2)
        return "\n".join([self._caption(), head, rule, *body, rule, total, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self):
        heads = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in self.HEADINGS)
        *body, total = (
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(c)}</td>" for c in cells)
            + "</tr>"
            for name, *cells in (*self._cells(), self._total())
        )
        return (
            f'<table class="course-measure"><caption>{escape(self._caption())}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody><tfoot>{total}</tfoot></table>"
            + "".join(f'<p class="course-note">{escape(note)}</p>' for note in self._notes())
        )


def _text(value):
    if value is None:
        return "–"
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _bytes(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
