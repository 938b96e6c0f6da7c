"""What the tests of explorers in pages share."""

from pathlib import Path

from accessibility import serious

from cnncourse.widgets import page_modules, stylesheet

HOST = Path(__file__).resolve().parents[2] / "book/_static/explorer-host.js"
PHONE = {"width": 390, "height": 844}
COLUMN = {"width": 736, "height": 1000}  # the width of the book's text

PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorers</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="explorer.css">
<style>body {{ margin: 16px; background: #fff; color: #1f2933 }}
html[data-theme="dark"] body {{ background: #14191e; color: #dfe5ea }}</style></head>
<body><main><h1>Explorers</h1>{explorers}</main><script type="module" src="explorer-host.js"></script></body></html>"""


# Functions of one's own that OptimizerExplorer reads, and what they mean in Python; and some it cannot read.
FORMULAS = {
    "3": "3",
    "x": "x",
    "x^2 + 3y^2 + sin(3x)": "x**2 + 3*y**2 + sin(3*x)",
    "(1-x)**2 + 100(y - x^2)^2": "(1-x)**2 + 100*(y - x**2)**2",
    "-x^2": "-(x**2)",
    "2^-x": "2**(-x)",
    "2^3^2 + x": "2**(3**2) + x",
    "x^2y": "x**2*y",
    "2xy(x+1)pi": "2*x*y*(x+1)*pi",
    "x/y/2*x - y - x": "x/y/2*x - y - x",
    "x^-2 + x^0.5 + x^0 + x^17": "x**-2 + x**0.5 + 1 + x**17",
    "(x - 2y)/(x + y^2 + 9)": "(x - 2*y)/(x + y**2 + 9)",
    "x^y + e^(x y)": "x**y + e**(x*y)",
    "sqrt(abs(x - y)) + log(x)/tan(y)": "sqrt(abs(x - y)) + log(x)/tan(y)",
    "tanh(x)cos(y)exp(−x·y)": "tanh(x)*cos(y)*exp(-x*y)",
    "1.5e-1x + .5y + 2e": "0.15*x + 0.5*y + 2*e",
    "20 + x^2 + y^2 - 10(cos(2pi x) + cos(2pi y))": "20 + x**2 + y**2 - 10*(cos(2*pi*x) + cos(2*pi*y))",
    "--x + +y - -(x)": "x + y + x",
}
FAULTY = {
    "": "A function of x and y is missing.",
    "  ": "A function of x and y is missing.",
    "x + y +": "An operand is missing after '+' at position 7.",
    "x + * y": "An operand is missing after '+' at position 3.",
    "x**": "An operand is missing after '**' at position 2.",
    "* x": "An operand is missing before '*' at position 1.",
    "()": "An operand is missing after '(' at position 1.",
    "2(x + 1": "A ')' is missing for the '(' at position 2.",
    "x + 1) y": "The ')' at position 6 closes nothing.",
    "x + sin x": "A '(' is missing after 'sin' at position 5.",
    "2 3": "An operator is missing before position 3.",
    "(x 2)": "An operator is missing before position 4.",
    "1/2x": "A '*' or parentheses are needed before position 4: it can be read in two ways.",
    "-2^xy": "A '*' or parentheses are needed before position 5: it can be read in two ways.",
    "x + z": "'z' is not known at position 5; known are x, y, pi, e, sin, cos, tan, exp, log, sqrt, abs, tanh.",
    "constructor(x)": (
        "'constructor' is not known at position 1; known are x, y, pi, e, sin, cos, tan, exp, log, sqrt, abs, tanh."
    ),
    "x; y": "';' is not understood at position 2.",
    "𝑥": "'𝑥' is not understood at position 1.",
    "(" * 31 + "x" + ")" * 31: "More than 30 parentheses inside one another at position 31.",
    "x" * 201: "A function has at most 200 characters, this one has 201.",
}


def write_site(folder, **pages):
    """Write pages {name: html of explorers} with the host, the modules and the style sheet into an empty folder."""
    files = {"explorer.css": stylesheet(), "explorer-host.js": HOST.read_text(encoding="utf-8")}
    files |= {f"explorers/{name}": text for name, text in page_modules().items()}
    files["explorers/failing.js"] = "export function render() { throw new Error('nothing here'); }"
    for name, explorers in pages.items():
        files[f"{name}.html"] = PAGE.format(explorers=explorers)
    (folder / "explorers").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


# An explorer (its name is put in) rendered without host or kernel: send(values) sends what a kernel would.
FAKE_MODEL = """
  const { render } = await import("./explorers/%s.js");
  const state = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const listeners = new Map();
  const model = {
    get: (name) => state[name], set(name, value) { state[name] = value; }, save_changes() {}, send() {},
    on: (event, listener) => listeners.set(listener, event), off: (event, listener) => listeners.delete(listener),
  };
  const el = document.createElement("div");
  document.body.append(el);
  const remove = render({ model, el });
  const send = async (values) => {
    Object.assign(state, values);
    for (const [listener, event] of listeners) if (event.replace("change:", "") in values) listener();
    await null;
  };
"""

SETTLE = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
}"""

REST = """async () => {
  const ends = (animation) => animation.effect?.getComputedTiming().endTime < Infinity;
  await Promise.allSettled(document.getAnimations().filter(ends).map((animation) => animation.finished));
}"""


def settle(page):
    """Wait until what was asked for has been painted."""
    page.evaluate(SETTLE)


def serious_findings(page):
    """What axe finds, once colors have come to rest, that keeps somebody from using the page."""
    page.evaluate(REST)
    return serious(page)
