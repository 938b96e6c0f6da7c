"""Sharing an explorer's state: by address, as Python, as a picture, on a page of its own; and slips in Python."""

import ast
import io
import json
import re
import urllib.parse

import numpy as np
import pytest
import traitlets
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, serious_findings, settle, write_site
from PIL import Image
from test_explorer_pages import CASES

from cnncourse import widgets
from cnncourse.widgets import (
    ArchitectureExplorer,
    AttentionExplorer,
    KernelExplorer,
    LeNetLive,
    OptimizerExplorer,
    ShapeExplorer,
    TrainLive,
    pages_alone,
)

CLIPBOARD = ["clipboard-read", "clipboard-write"]
TYPES = {case.explorer.module: case.explorer for case in CASES.values()}
every_explorer = pytest.mark.parametrize("name", CASES)

# Several states of each explorer.
STATES = {
    "kernel": [
        dict(),
        dict(kernel="sobel vertical", stride=2),
        dict(photograph="cat", padding=6, mode="reflect", view="magnitude", point=[3, 4]),
        dict(kernel=np.arange(49).reshape(7, 7) / 9, photograph="drawing", point=[0, 25]),
        dict(kernel=[[-0.5]], stride=4, padding=0),
        dict(layers=True, second_kernel="laplacian", trace=["second", 3, 4]),
        dict(layers=True, second_kernel=[[2.5]], stride=2, trace=["relu", 60, 60]),
        dict(photograph="drawing", point=[4, 5], step=3),
    ],
    "shape": [
        dict(),
        dict(input=8, stride=1, padding=0, step=0),
        dict(input=16, kernel=7, padding=6, dilation=4, show_counts=True, in_channels=4096),
        dict(view="transposed", input=3, kernel=1, padding=0, out_channels=1),
        dict(view="transposed", input=(3, 4), kernel=3, padding=(1, 0), output_padding=(0, 1)),
        dict(input=(8, 12), kernel=(3, 1), step=5, in_channels=16, groups=16),
    ],
    "optimizer": [
        dict(),
        dict(surface="beale", start=(1.5, -2), steps=10, shown=3),
        dict(surface="bowl", runs=["SGD", {"optimizer": "AdamW", "lr": 1, "betas": [0.5, 0.9]}, "Nesterov"]),
        dict(schedule="one_cycle", show_sweep=True, runs=[{"optimizer": "RMSprop", "alpha": 0}]),
        dict(surface="own", function="x^2 + 20*y^2", window=[[-3, 3], [-1, 1.5]], noise=0.5, seed=7),
    ],
    "lenet": [dict(), dict(image=7, layer="f6", unit=[3, 0, 0]), dict(centered=False, brush=1, layer="s2")],
    "architecture": [
        dict(),
        dict(model="resnet50", input_size=160, second="resnet18", opened=["stage1", "stage2.0"]),
        dict(model="resnet20", width=2, classes=7, layer=[0, "stage1"], bars="parameters"),
        dict(second={"model": "vgg16", "classes": 10}, layer=[1, "conv1_1"]),
    ],
    "attention": [
        dict(),
        dict(picture="bag 1", layer=3, head=2, patch=[7, 1]),
        dict(picture="drawing", head="mean", patch="class token", numbers=True, brush=4.5),
    ],
    "train": [
        dict(),
        dict(lr=0.1, optimizer="SGD", what_if={"lr": 3}, digit=499),
        dict(batch_size=256, schedule="cosine", epochs=1, batch_norm=True, seed=9999, what_if={"batch_norm": False}),
        dict(momentum=0, initialization="zero", activation="tanh", what_if={"activation": "relu"}),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory, serve):
    """A site below a path; without still pictures, which take long and are not looked at here."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        for kind in TYPES.values():
            patch.setattr(kind, "still", lambda self: None)
            patch.setattr(kind, "description", lambda self: "A picture.")
        pages = {name: TYPES[name]().page_html() for name in CASES}
        pages |= {
            f"{name}-{which}": TYPES[name](**values).page_html()
            for name, states in STATES.items()
            for which, values in enumerate(states)
        }
        two = KernelExplorer(stride=3).page_html()
        alone = pages_alone("../two.html")
    write_site(folder, one=pages["shape"], two=pages["kernel"] + two + pages["shape"], **pages)
    for name, text in alone.items():
        (folder / "explorers" / name).write_text(text, encoding="utf-8")
    return serve(folder, prefix="course")


REFUSE = "void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))"


def root(page, name, which=0):
    return page.locator(f"[data-explorer={name}]").nth(which)


def state(page, name, which=0):
    return json.loads(root(page, name, which).get_attribute("data-state"))


def share(page, what, name, which=0):
    """Press a button of the panel → what it copied."""
    explorer = root(page, name, which)
    if not explorer.locator(".x-sharing").evaluate("e => e.open"):
        explorer.locator(".x-sharing > summary").click()
    explorer.get_by_role("button", name=what).click()
    explorer.locator(".x-done:not(:empty)").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def made_by(code):
    """What a notebook shows for a cell with this code."""
    assert max(map(len, code.splitlines())) <= 100
    *before, last = ast.parse(code).body
    names = {}
    exec(compile(ast.Module(before, []), "copied", "exec"), names)
    return eval(compile(ast.Expression(last.value), "copied", "eval"), names)


def asking(name, page="", **given):
    """The address of a page that asks for values of its explorer."""
    return f"{page or name}.html?{urllib.parse.urlencode({name: json.dumps(given)})}"


def go(page, address, path, expected=1):
    page.goto(address + path)
    page.wait_for_function(f"document.querySelectorAll('.is-mounted').length >= {expected}")
    settle(page)


# --- what can be said -----------------------------------------------------------------------------------------------


@every_explorer
def test_every_trait_has_a_line_and_the_first_value_that_it_has_in_python(visit, name):
    """A new trait needs one line in js/NAME/share.js: what is legal for it and its default, or what it is called."""
    table, watched, first = visit(name).evaluate(
        f"""async () => {{ {FAKE_MODEL % name}
          const {{ sharing }} = await import("./explorers/{name}.js");
          const first = sharing.first(state);
          const names = [...listeners.values()].map((event) => event.replace("change:", ""));
          return [Object.keys(sharing.table), names,
            Object.fromEntries(sharing.names.map((name) => [name, first[name] ?? null]))]; }}"""
    )
    explorer = TYPES[name]()
    assert set(table) == set(explorer.state())
    assert set(watched) <= set(table)
    own = explorer.state() | ({"image": 3} if name == "lenet" else {})
    open_ones = {"point", "unit"}  # follow from what is computed: they are always said
    assert first == {key: None if key in open_ones else own[key] for key in first}


POOL = [
    *[-1, 0, 1, 2, 5, 8, 33, 10_000, 1e9, 0.5, -2.5, 4.25, True, None, "", "nothing", "cat", "zeros", "constant"],
    *["sobel vertical", "your own", "__proto__", "SGD", "c1", "mean", "class token", "bag 1", "drawing", "relu"],
    *["resnet18", "parameters", "transposed", "rosenbrock", [], [0], [1], [0, 0], [7, 7], [8, 8], [0, 1.5], [5, 5]],
    *[[-1, 0], [500, 500], [0, 0, 0], [15, 9, 9], [16, 0, 0], ["", ""], ["stage1", ""], ["c1", "c1"], [0, "c1"]],
    *[[1, ""], [1, "c1"], [[1]], [["a"]], [[1, 2], [3, 4]], [[1, 2, 3]] * 3, [[1001]], [None, None], {}, {"lr": 3}],
    *[{"lr": 30}, {"epochs": 3}, {"lr": 1, "seed": 1}, {"model": "vgg16"}, {"__proto__": 1}],
    *[["pool", 5, 5], ["pool", 500, 5], ["relu", 0, 0.5], ["no", 0, 0], [3, 1], [2, 2, 2]],
    *[[[1, 2, 3], [1, 2, 3], [1, 2, True]], [{"optimizer": "SGD", "lr": 0.1}], [{"optimizer": "SGD", "lr": 11}]],
    *[[{"optimizer": "SGD", "lr": 0.1, "momentum": 0.9}], [{"optimizer": "Nesterov", "lr": 0.1, "momentum": 0}]],
    *[[{"optimizer": "Adam", "lr": 0.1, "betas": [0.9, 1]}], [{"optimizer": "SGD", "lr": 0.1}] * 5],
    *[[{"optimizer": "adam", "lr": 0.1, "betas": [0.9, 0.9]}], [{"optimizer": "no", "lr": 0.1}], [[0, 0]]],
]  # fmt: skip
TOGETHER = {
    "kernel": [
        dict(stride=4, point=[32, 0]), dict(kernel=[[1]], step=1), dict(kernel=[[1]], step=0),
        dict(stride=4, trace=["pool", 15, 15]), dict(stride=4, trace=["pool", 16, 15]),
        dict(kernel=[[1]], padding=6, point=[139, 140]),
    ],
    "shape": [
        dict(input=1, kernel=7, padding=0), dict(view="transposed", input=16, stride=4),
        dict(view="transposed", input=1, kernel=1, padding=1), dict(input=4, step=4), dict(input=4, step=3),
        dict(in_channels=6, out_channels=9, groups=3), dict(in_channels=6, out_channels=9, groups=2),
        dict(view="transposed", stride=1, output_padding=1), dict(view="transposed", stride=2, output_padding=1),
        dict(input=(1, 7), kernel=3, padding=0), dict(input=(3, 7), kernel=3, padding=0),
    ],
    "optimizer": [
        dict(surface="bowl", start=[2.5, 0]), dict(surface="bowl", start=[2, 0]), dict(steps=10, shown=11),
        dict(surface="own", function="log(x)", start=[-1, 0]), dict(surface="own", function="log(x)", start=[1, 0]),
        dict(function="log(x - 5)"), dict(surface="own", function="x^2 +"), dict(function="x", window=[[0, 9], [0, 9]]),
        dict(steps=10, shown=10),
    ],
    "lenet": [dict(layer="c1", unit=[5, 27, 27]), dict(layer="c5", unit=[5, 1, 0])],
    "architecture": [
        dict(model="resnet18", input_size=31), dict(model="resnet18", input_size=160), dict(model="vgg16", width=2),
        dict(model="lenet5", input_size=33), dict(model="resnet18", opened=["stage9", ""]),
        dict(model="resnet18", opened=["stage1", "stage1"]), dict(model="resnet18", layer=[2, ""]),
        dict(second={"model": "resnet18", "input_size": 5, "width": 1, "classes": 10}),
    ],
    "attention": [dict(layer=7), dict(head=4), dict(head="1"), dict(patch=[0, 1])],
    "train": [dict(batch_size=5), dict(momentum=1), dict(digit=500), dict(what_if={"momentum": 1})],
}  # fmt: skip


@every_explorer
def test_what_python_refuses_the_address_refuses(visit, name):
    kind = TYPES[name]
    traits = [key for key, trait in kind().traits(explorer=True).items() if not trait.read_only]
    asked = [{key: value} for key in traits for value in POOL] + TOGETHER[name]
    taken = visit(name).evaluate(
        """async ([name, asked]) => {
          const { sharing } = await import(`./explorers/${name}.js`);
          const state = JSON.parse(document.querySelector("script[type='application/json']").textContent);
          return asked.map((given) => {
            try { return sharing.read(JSON.stringify(given), state); } catch (error) {
              if (error.constructor !== Error) throw error;
              return null;
            }
          });
        }""",
        [name, asked],
    )
    accepted = 0
    for given, reached in zip(asked, taken, strict=True):
        try:
            explorer = kind(**given)
        except (traitlets.TraitError, TypeError):
            assert reached is None, given
        else:
            if reached is None:
                continue  # a picture of one's own, or a short form
            accepted += 1
            for key in given.keys() - {"image", "photographs"}:
                assert reached[key] == json.loads(json.dumps(getattr(explorer, key))), given
    assert accepted > 10
    assert any(reached is None for reached in taken[-len(TOGETHER[name]) :])


@every_explorer
def test_the_least_is_said_and_leads_back_to_the_same_state(visit, name):
    """From any state to any other, and from what a new explorer has."""
    states = [TYPES[name](**values).state() for values in STATES[name]]
    found = visit(name).evaluate(
        """async ([name, states]) => {
          const { sharing } = await import(`./explorers/${name}.js`);
          const pick = (state) => sharing.names.map((key) => state[key]);
          return states.flatMap((one) => states.map((other) => {
            const given = sharing.write(one, other);
            return [given, pick(sharing.read(JSON.stringify(given), other)), pick(one)];
          }));
        }""",
        [name, states],
    )
    for which, (given, reached, wanted) in enumerate(found):
        assert reached == wanted
        assert (given == {}) == (which % (len(states) + 1) == 0)


# --- links ----------------------------------------------------------------------------------------------------------


@every_explorer
def test_a_copied_link_leads_back_to_the_same_state_and_reset_to_the_page_s_own(visit, address, name):
    page = visit(name, permissions=CLIPBOARD)
    before = state(page, name)
    for move in CASES[name].moves:
        move(root(page, name))
    settle(page)
    wanted = state(page, name)
    link = share(page, "Copy link", name)
    assert root(page, name).locator(".x-done").inner_text() == "The address of this state was copied."
    page.wait_for_function("document.querySelector('.x-spoken').textContent.endsWith('was copied.')")
    assert link.startswith(f"{address}{name}.html?{name}=%7B%22")
    page.goto("about:blank")
    go(page, "", link)
    assert state(page, name) == wanted
    assert page.evaluate("scrollY") == 0 and page.locator(".course-explorer-fault").count() == 0
    root(page, name).locator(".x-reset").click()
    settle(page)
    assert state(page, name) == before
    assert share(page, "Copy link", name) == f"{address}{name}.html"


def test_a_link_keeps_what_the_address_says_of_others_and_where_on_the_page_it_leads(visit, address):
    page = visit("two", permissions=CLIPBOARD)
    shape = urllib.parse.urlencode({"shape": '{"input":9}', "q": "a b"})
    go(page, address, f"two.html?{shape}#there", 3)
    assert state(page, "shape")["input"] == 9
    root(page, "kernel", 1).get_by_label("Stride").fill("4")
    link = share(page, "Copy link", "kernel", 1)
    base, _, rest = link.partition("?")
    query, _, anchor = rest.partition("#")
    given = dict(urllib.parse.parse_qsl(query))
    assert (base, anchor) == (f"{address}two.html", "there")
    assert given.keys() == {"shape", "q", "kernel-2"} and given["q"] == "a b"
    assert json.loads(given["kernel-2"])["stride"] == 4
    page.goto("about:blank")
    go(page, "", link, 3)
    assert [state(page, "kernel", which)["stride"] for which in (0, 1)] == [1, 4]
    assert state(page, "shape")["input"] == 9


@pytest.mark.parametrize(
    "asked, reason",
    [
        ("{", "it is not JSON"),
        ("%", "it is not JSON"),
        ("[1]", "it must hold names with their values"),
        ("null", "it must hold names with their values"),
        ('{"strid":2}', "the explorer has no “strid”"),
        ('{"__proto__":{"stride":2}}', "the explorer has no “__proto__”"),
        ('{"photographs":{}}', "the explorer has no “photographs”"),
        ('{"stride":9}', "stride must be a whole number from 1 to 4"),
        ('{"stride":"2"}', "stride must be a whole number from 1 to 4"),
        ('{"mode":"mirror"}', "mode must be one of zeros, reflect, replicate, circular"),
        ('{"stride":4,"point":[32,0]}', "point must be 2 whole numbers within 32 × 32"),
        ('{"stride":2,"padding":7}', "padding must be a whole number from 0 to 6"),
        ('{"kernel":' + "[" * 5000 + "}", "it is too long"),
    ],
)
def test_a_bad_address_gives_the_page_s_own_state_and_one_sentence(visit, address, asked, reason):
    page = visit("kernel")
    before = state(page, "kernel")
    go(page, address, f"kernel.html?kernel={urllib.parse.quote(asked)}")
    sentence = page.locator(".course-explorer-fault")
    assert sentence.get_attribute("role") == "status"
    start, end = (
        "What the address says of this explorer was not used: ",
        ". The explorer is as this page has it.",
    )
    assert sentence.inner_text() == start + reason + end
    assert state(page, "kernel") == before
    root(page, "kernel").get_by_label("Stride").fill("2")
    settle(page)
    assert state(page, "kernel")["stride"] == 2
    assert serious_findings(page) == []


def test_drawings_and_what_was_learned_stay_out_and_the_panel_says_so(visit, address):
    page = visit("lenet", permissions=CLIPBOARD)
    stage = root(page, "lenet").locator(".x-canvas")
    root(page, "lenet").get_by_label("Take the two").click()
    stage.focus()
    stage.press("Space")
    link = share(page, "Copy link", "lenet")
    assert "image" not in link
    words = "Your drawing or picture stays here: neither a link nor the Python code holds it."
    assert root(page, "lenet").locator(".x-sharing-panel > .x-note").inner_text() == words
    assert "# Your drawing or picture is not part of this.\n" in share(page, "Copy as Python", "lenet")
    root(page, "lenet").get_by_label("Take the two").click()
    assert "%22image%22%3A2" in share(page, "Copy link", "lenet")
    page = visit("train", permissions=CLIPBOARD)
    page.get_by_role("button", name="One step").click()
    page.wait_for_function("/Step 1 /.test(document.querySelector('.explorer').textContent)")
    code = share(page, "Copy as Python", "train")
    assert "# What it has learned is not part of this.\n" in code
    made_by(code).close()


# --- Python ---------------------------------------------------------------------------------------------------------


@every_explorer
def test_copied_python_makes_the_same(visit, name):
    page = visit(name, permissions=CLIPBOARD)
    for which, values in enumerate(STATES[name]):
        page.goto(page.url.rpartition("/")[0] + f"/{name}-{which}.html")
        page.wait_for_selector(".is-mounted")
        code = share(page, "Copy as Python", name)
        assert made_by(code).state() == TYPES[name](**values).state(), code


def test_copied_python_is_short(visit, address):
    page = visit("two", permissions=CLIPBOARD)
    expected = {
        "kernel-1": 'KernelExplorer(kernel_name="x")',
        "shape-1": "ShapeExplorer(input=8, stride=1, padding=0, step=0)",
        "optimizer-2": 'OptimizerExplorer(\n    surface="bowl",\n    runs=["SGD", {"optimizer": "AdamW", "lr": 1, '
        '"betas": [0.5, 0.9]}, "Nesterov"],\n)',
        "architecture-1": 'ArchitectureExplorer(\n    model="resnet50",\n    input_size=160,\n    second="resnet18",\n'
        '    opened=["stage1", "stage2.0"],\n)',
        "attention-2": 'AttentionExplorer(\n    picture="drawing", brush=4.5, head="mean"',
        "train-0": "TrainLive()",
    }
    codes = {}
    for key in expected:
        go(page, address, f"{key}.html")
        codes[key] = share(page, "Copy as Python", key.partition("-")[0])
    i, j = KernelExplorer(kernel="sobel vertical", stride=2).point
    expected["kernel-1"] = f'KernelExplorer(kernel="sobel vertical", stride=2, point=[{i}, {j}])'
    line = 'picture="drawing", brush=4.5, head="mean", patch="class token", numbers=True'
    expected["attention-2"] = f"AttentionExplorer({line})"
    for key, call in expected.items():
        assert codes[key] == f"from cnncourse.widgets import {call.partition('(')[0]}\n\n{call}\n"


# --- pictures -------------------------------------------------------------------------------------------------------


@every_explorer
def test_a_saved_picture_is_the_still_one_twice_as_fine_on_white(visit, name):
    page = visit(name, dark=True)
    with page.expect_download() as caught:
        root(page, name).locator(".x-sharing > summary").click()
        page.get_by_role("button", name="Save picture").click()
    assert caught.value.suggested_filename == f"{name}.png"
    image = Image.open(io.BytesIO(caught.value.path().read_bytes()))
    width, height = re.search(r'width="(\d+)" height="(\d+)"', TYPES[name]().still()).groups()
    size = [2 * int(width), 2 * int(height)]
    assert (image.format, list(image.size)) == ("PNG", size)
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    colors, counts = np.unique(pixels.reshape(-1, 4), axis=0, return_counts=True)
    assert len(colors) > 20 and counts[(colors == 255).all(axis=1)][0] > 0.05 * counts.sum()
    done = root(page, name).locator(".x-done")
    done.filter(has_text=f"The picture was saved as {name}.png.").wait_for()


# --- the panel ------------------------------------------------------------------------------------------------------


@every_explorer
def test_the_panel_lies_over_the_explorer_and_nothing_moves(visit, name):
    page = visit(name, viewport=PHONE, touch=True)
    boxes = """() => [...document.querySelectorAll(".explorer, .explorer .x-stage")].map((e) => {
      const { x, y, width, height } = e.getBoundingClientRect();
      return [x, y + scrollY, width, height].map(Math.round);
    })"""
    for width in (320, 390, 736):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        before = page.evaluate(boxes)
        root(page, name).locator(".x-sharing > summary").tap()
        settle(page)
        assert page.evaluate(boxes) == before
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        panel = root(page, name).locator(".x-sharing-panel").bounding_box()
        assert panel["x"] >= 0 and panel["x"] + panel["width"] <= width
        for control in root(page, name).locator(".x-sharing-panel > .x-button").all():
            assert control.bounding_box()["height"] >= 44
        page.locator("h1").tap()
        assert not root(page, name).locator(".x-sharing-panel").is_visible()


@every_explorer
def test_axe_finds_nothing_serious_in_the_open_panel(visit, name):
    page = visit(name)
    page.evaluate(REFUSE)
    root(page, name).locator(".x-sharing > summary").click()
    page.get_by_role("button", name="Copy as Python").click()
    page.wait_for_selector(".x-copied:visible")
    for viewport in (COLUMN, PHONE):
        page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
            settle(page)
            assert serious_findings(page) == [], (viewport, theme)


def test_by_keyboard_it_opens_copies_and_closes(visit):
    page = visit("kernel", permissions=CLIPBOARD)
    page.locator(".x-reset").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    seen = []
    for _ in range(4):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent"))
    assert seen == ["Copy link", "Copy as Python", "Save picture", "Open alone"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Python for this state was copied.").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.x-sharing > summary')")
    assert not page.locator(".x-sharing-panel").is_visible()
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("Tab")
    assert not page.locator(".x-sharing-panel").is_visible()  # what has the focus is never below it


def test_where_the_clipboard_is_refused_the_text_stands_selected_in_a_field(visit, address):
    page = visit("kernel")
    page.evaluate(REFUSE)
    root(page, "kernel").get_by_label("Stride").fill("3")
    page.locator(".x-sharing > summary").click()
    page.get_by_role("button", name="Copy link").click()
    field = page.locator(".x-copied")
    field.wait_for()
    sentence = "The address of this state could not be copied by itself: copy it from this field."
    assert page.locator(".x-done").inner_text() == sentence == field.get_attribute("aria-label")
    assert field.evaluate("e => [e.readOnly, document.activeElement === e]") == [True, True]
    selected = field.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)")
    assert selected.startswith(f"{address}kernel.html?kernel=%7B%22stride%22%3A3")


@every_explorer
def test_in_a_notebook_there_is_no_address(visit, name):
    offered = visit(name).evaluate(
        f"""async () => {{ {FAKE_MODEL % name}
          return [...el.querySelectorAll(".x-sharing-panel > .x-button")].map((e) => e.textContent); }}"""
    )
    assert offered == ["Copy as Python", "Save picture"]


# --- pages of their own ---------------------------------------------------------------------------------------------


@every_explorer
def test_a_page_of_its_own_opens_with_the_present_state(visit, address, name):
    """From a page that begins otherwise than Python does."""
    page = visit(f"{name}-1", permissions=CLIPBOARD)
    wanted = state(page, name)
    page.locator(".x-sharing > summary").click()
    page.get_by_role("link", name="Open alone").click()
    page.wait_for_url("**/explorers/*")
    page.wait_for_selector(".is-mounted")
    assert page.url.startswith(f"{address}explorers/{name}.html?{name}=")
    assert page.locator(".course-explorer-fault").count() == 0
    assert state(page, name) == wanted
    assert share(page, "Copy link", name) == page.url
    assert page.get_by_role("link", name="Open alone").count() == 0
    page.get_by_role("link", name="From an interactive course").click()
    assert page.url == f"{address}two.html"


@every_explorer
def test_a_page_of_its_own_fills_its_frame_light_and_dark(visit, address, name):
    page = visit("one")
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        go(page, address, f"explorers/{name}.html")
        for width in (320, 736, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            settle(page)
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            assert root(page, name).bounding_box()["width"] == width - 32
        assert serious_findings(page) == []
        backgrounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(20, 25, 30)"]
    page.emulate_media(color_scheme="light")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")


def test_there_is_a_page_for_each_explorer():
    assert widgets.pages_alone("x").keys() == {f"{each.module}.html" for each in widgets.EXPLORERS}


# --- slips in Python ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, slip, hint",
    [
        (KernelExplorer, "strid", "did you mean stride?"),
        (ShapeExplorer, "dilatation", "did you mean dilation?"),
        (OptimizerExplorer, "surfce", "did you mean surface?"),
        (LeNetLive, "images", "did you mean image?"),
        (ArchitectureExplorer, "inputsize", "did you mean input_size?"),
        (AttentionExplorer, "heads", "did you mean head?"),
        (TrainLive, "learning_rate", "it has"),
    ],
)
def test_a_misspelled_trait_is_an_error_that_names_the_nearest(kind, slip, hint):
    explorer = kind()
    with pytest.raises(
        AttributeError, match=f"^{kind.__name__} has no trait {slip}; {hint.replace('?', '.')}"
    ):
        setattr(explorer, slip, 2)
    explorer.tooltip = "what every widget has"
    explorer.layout.width = "400px"
    explorer._own = 1
    explorer.close()


def test_a_kernel_links_observes_and_shows_as_before(kernel):
    texts, _ = kernel.run(
        """
import ipywidgets
from IPython.display import display
from cnncourse.widgets import KernelExplorer, LeNetLive
explorer, slider, heard = KernelExplorer(), ipywidgets.IntSlider(min=1, max=4), []
ipywidgets.link((explorer, "stride"), (slider, "value"))
explorer.observe(heard.append, "stride")
slider.value = 3
with explorer.hold_trait_notifications():
    explorer.padding, explorer.stride = 2, 2
with explorer.hold_sync():
    explorer.mode = "reflect"
display(explorer)
explorer.layout = ipywidgets.Layout(width="300px")
explorer.add_traits(more=__import__("traitlets").Int(1))
explorer.more = 2
LeNetLive(image=4).image = 7
try:
    explorer.strid = 2
except AttributeError as error:
    print(error)
print(explorer.stride, slider.value, [change["new"] for change in heard], explorer.comm is not None)
explorer.close()
"""
    )
    lines = texts.splitlines()
    assert lines[-2:] == ["KernelExplorer has no trait strid; did you mean stride?", "2 2 [3, 2] True"]


def test_a_digit_stands_for_its_picture():
    assert LeNetLive(image=3).image == LeNetLive().image
    for wrong in (10, -1):
        with pytest.raises(traitlets.TraitError, match="image must be a whole number from 0 to 9"):
            LeNetLive(image=wrong)
