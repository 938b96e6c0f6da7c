"""What every explorer does in a page: it prints what it shows, everyone can use it, it can be taken away."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, serious_findings, settle

from cnncourse.widgets import (
    EXPLORERS,
    ArchitectureExplorer,
    AttentionExplorer,
    KernelExplorer,
    LeNetLive,
    OptimizerExplorer,
    ShapeExplorer,
    TrainLive,
)
from cnncourse.widgets.attention import PICTURES
from cnncourse.widgets.lenet import DIGITS


def slide(label, *values):
    """Moves of one slider, by its label."""
    return [
        lambda root, value=value: root.get_by_label(label, exact=True).first.fill(value) for value in values
    ]


def take(*digits):
    return [lambda root, digit=digit: root.get_by_label(f"Take the {digit}").click() for digit in digits]


@dataclass
class Case:
    explorer: type
    first: dict  # what the explorer is made with
    full: dict  # with which most is to be seen
    fill: callable  # what is done then, so that even more is
    stops: list  # how the names of its stops begin, in the order of the Tab key
    moves: list  # three, of which the last one says `words`
    words: str


WEIGHTS = [f"Weight, row {u}, column {v}" for u in (1, 2, 3) for v in (1, 2, 3)]


def refuse(label):
    """Type what is no number and leave the field."""

    def act(page):
        page.get_by_label(label).first.fill("-9999")
        page.keyboard.press("Tab")

    return act


CASES = {
    "kernel": Case(
        KernelExplorer,
        dict(kernel="vertical edge"),
        dict(
            kernel=np.eye(7), photograph="drawing", padding=6, stride=2, mode="reflect", layers=True, step=30
        ),
        refuse("Weight, row 1, column 1"),
        [
            *[
                "Picture",
                "Kernel",
                "↺ Reset",
                *WEIGHTS,
                "3",
                "Rotate",
                "Flip",
            ],  # Normalize is off: the sum is 0
            *["Output, 128 by 128. Arrow keys", "Stride", "Padding", "Padding with", "Show the output"],
            *[
                "Add layers: ReLU, pooling, a second kernel",
                "▶ Play",
                "Next product",
                "Next pixel",
                "First pixel",
            ],
            *["Whole output", "Output row", "Output column"],
        ],
        slide("Stride", "2", "3", "4"),
        "Output 32 by 32",
    ),
    "shape": Case(
        ShapeExplorer,
        dict(input=7, kernel=3, stride=1, padding=1),
        dict(
            **dict(view="transposed", input=(4, 5), kernel=(7, 5), stride=(4, 3), padding=(1, 0)),
            **dict(output_padding=(3, 2), show_counts=True, in_channels=4096, out_channels=4096, groups=2),
        ),
        refuse("Channels in"),
        [
            *["Example", "forward", "↺ Reset", "Input, 7 by 7. Arrow keys choose a pixel."],
            *[
                "Output, 7 by 7. Arrow keys move the window.",
                "Back one window",
                "▶ Play",
                "Next window",
                "Step",
            ],
            *["Count the reads", "Input H", "Kernel k", "Stride s", "Padding p", "Dilation d"],
            *["Height and width apart", "Channels in C", "Channels out O", "Groups: which input channels"],
        ],
        slide("Stride s", "2", "3", "4"),
        "Input 7, kernel 3, stride 4, padding 1, dilation 1: output 2 by 2.",
    ),
    "optimizer": Case(
        OptimizerExplorer,
        dict(runs=["SGD", "Adam"], steps=500),
        dict(surface="beale", runs=["SGD", "momentum", "Adagrad", "AdamW"], show_sweep=True),
        refuse("Start x"),
        [
            *[
                "Landscape",
                "Schedule of the rates",
                "Steps",
                "↺ Reset",
                "Rosenbrock’s valley. The start is at (0, 0).",
            ],
            *["Start x", "Start y", "▶ Play", "Step shown"],
            *["Optimizer 1", "Learning rate", "Remove SGD, optimizer 1"],
            *["Optimizer 2", "Learning rate", "Momentum β₁", "Memory β₂", "Remove Adam, optimizer 2"],
            *["+ Add an optimizer", "Find the best rates"],
        ],
        slide("Steps", "12", "11", "9"),
        "Rosenbrock’s valley from (0, 0), 300 steps. After 300 steps",
    ),
    "lenet": Case(
        LeNetLive,
        dict(),
        dict(image=np.zeros((28, 28), int), layer="c5", unit=[60, 0, 0]),
        lambda page: None,
        [
            *["Your drawing, 28 by 28 pixels. Arrow keys", "Clear", "Erase", "Brush", "Center as MNIST does"],
            *["Output, 10 units. Arrow keys choose one.", *(f"Take the {digit}" for digit in DIGITS)],
            *[f"{layer}, " for layer in ("C1", "S2", "C3", "S4", "C5", "F6")],
            *["Layer", "Map", "Row", "Column"],
        ],
        take("one", "two", "six"),
        "Six.",
    ),
    "architecture": Case(
        ArchitectureExplorer,
        dict(model="resnet18"),
        dict(model="resnet152", second="eca_resnet50", opened=["", "stage1.0"], bars="activation_bytes"),
        refuse("Input size"),
        [
            *[
                "Network",
                "Input size",
                "Input size by dragging",
                "Width",
                "Classes",
                "↺ Reset",
                "Compare with",
            ],
            *["Blocks of resnet18, 23 parts. Arrow keys", "Multiply-adds", "Open these 3 layers"],
            *["All 58 layers of resnet18", "Map of"],
        ],
        slide("Input size by dragging", "63", "95", "127"),
        "resnet18, 128 pixels: 11,689,512 parameters, ",
    ),
    "attention": Case(
        AttentionExplorer,
        dict(),
        dict(drawing=np.eye(28, dtype=int) * 255, picture="drawing", patch=[7, 7], head="mean", numbers=True),
        lambda page: page.get_by_role("radio", name="draws").check(),
        [
            *[*(f"Take {name}" for name in PICTURES), "Who looks", "2", "1", "↺ Reset"],
            *["Picture, 7 by 7 patches and the class token. Arrow keys", "points", "Clear", "Erase", "Brush"],
            *["Weights in percent", "All heads and layers: 4 rows of 6 maps. Arrow keys"],
        ],
        [
            lambda root, token=token: root.get_by_label("Who looks").select_option(token)
            for token in ("1", "2", "9")
        ],
        "Head 1 of layer 2: patch (2,\xa02) gives ",
    ),
    "train": Case(
        TrainLive,
        dict(),
        dict(lr=10.0, schedule="warmup_cosine", what_if=dict(initialization="small")),
        refuse("Seed"),
        [
            *["▶ Train", "One step", "Start over", "↺ Reset", "Learning rate", "Batch size", "Optimizer"],
            *["Momentum μ", "Schedule", "Epochs", "Initialization", "Activation", "Batch norm", "Seed"],
            *["What if … (a second network)", *(f"Show it a {digit}" for digit in range(10))],
            "Its 8 maps for held-out digit 7, a 4. Arrow keys choose another digit.",
        ],
        slide("Epochs", "3", "4", "5") + slide("Learning rate", "70"),
        "learning rate 0.32",
    ),
}
every_explorer = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def address(publish):
    pages = {name: case.explorer(**case.first).page_html() for name, case in CASES.items()}
    pages |= {f"{name}-full": case.explorer(**case.full).page_html() for name, case in CASES.items()}
    kernel = pages["kernel"]
    return publish(
        **pages,
        all="".join(pages[name] + pages[f"{name}-full"] for name in CASES),
        missing=kernel.replace('data-module="kernel"', 'data-module="absent"'),
        wrong=kernel.replace('data-module="kernel"', 'data-module="../kernel"'),
        failing=kernel.replace('data-module="kernel"', 'data-module="failing"'),
        garbled=kernel.replace('application/json">', 'application/json">{'),
    )


def root(page, name, which=0):
    return page.locator(f"[data-explorer={name}]").nth(which)


def state(page, name, which=0):
    return json.loads(root(page, name, which).get_attribute("data-state"))


def test_every_explorer_has_a_case():
    assert {case.explorer for case in CASES.values()} == set(EXPLORERS)


# --- by keyboard ----------------------------------------------------------------------------------------------------


STOP = """() => {
  const e = document.activeElement;
  const seen = e.type === "radio" ? e.nextElementSibling : e;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  const name = e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText;
  return e.closest(".explorer") && [name, `${outlineStyle} ${outlineWidth}`];
}"""


@every_explorer
def test_every_control_is_reached_and_named_by_keyboard_and_keeps_its_keys(visit, name):
    """Neither a notebook's nor a site's own keys (next cell, next page) may act while one uses the explorer."""
    page = visit(name)
    page.evaluate("window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    page.keyboard.press("Tab")
    seen = []
    while stop := page.evaluate(STOP):
        assert stop[1] == "solid 3px", stop
        seen.append(" ".join(stop[0].split()))
        page.keyboard.press("Tab")
    expected = CASES[name].stops
    assert [text[: len(start)] for text, start in zip(seen, expected, strict=True)] == expected
    page.evaluate("heard.length = 0")
    root(page, name).locator(".x-stage[tabindex]").first.focus()
    for key in ["ArrowRight", "Home", "j", "Escape", "Control+k", "Tab"]:
        page.keyboard.press(key)
    assert page.evaluate("heard") == ["Escape", "Control", "k", "Tab"]


# --- what cannot be -------------------------------------------------------------------------------------------------


FIELDS = ".explorer :is(input[type=number], .x-weight):visible"


@every_explorer
def test_every_field_says_what_it_takes_and_what_it_stays_when_something_else_is_typed(visit, name):
    """Nothing is corrected without a word, however it is typed, a second time in the same field too."""
    page = visit(name)
    if name == "train":  # a field that appears with the second network
        page.get_by_label("What if … (a second network)").select_option("seed")
        settle(page)
    fields = page.locator(FIELDS)
    expected = {"kernel": 9, "shape": 2, "optimizer": 2, "architecture": 2, "train": 2}.get(name, 0)
    assert fields.count() == expected
    for index in range(min(expected, 3)):
        field = fields.nth(index)
        for text in ("", "-99999", "99999999", ""):
            field.focus()
            field.fill(text)
            field.press("Enter")
            settle(page)
            said = " ".join(page.locator(".x-fault:visible").all_inner_texts())
            kept = re.escape(field.input_value().replace("-", "−"))
            assert re.search(r"(must be a|takes inputs of) .* (stays|is taken|.*: )", said), (text, said)
            assert re.search(rf"stays {kept}\.|: {kept} is taken", said.replace(",", "")), (text, said, kept)
        page.keyboard.press("Tab")


# --- by mouse -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, panel, sums",
    [
        ("kernel", ".x-output .x-stage", ".x-sum"),
        ("shape", ".x-output .x-stage", ".x-sentence"),
        ("lenet", ".x-layers .x-stage", ".x-sum"),
        ("architecture", ".x-drawing .x-stage", ".x-part"),
    ],
)
def test_a_click_holds_what_is_pointed_at_until_it_is_released(visit, name, panel, sums):
    page = visit(name)
    stage, words = page.locator(panel).first, page.locator(sums).first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    one, other = [(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"]) for share in (0.3, 0.7)]
    hint = page.locator(".x-by-mouse:visible", has_text="hold").first
    free = hint.inner_text()

    def pointed(place):
        page.mouse.move(*place)
        settle(page)
        return words.inner_text().split("\n")[0]

    first, second = pointed(one), pointed(other)
    assert first != second and pointed(one) == first
    page.mouse.click(*one)
    assert pointed(other) == first
    assert page.get_by_text("Held. Click it again, or press Escape, to let go.").first.is_visible()
    page.keyboard.press("Escape")
    assert (pointed(one), pointed(other)) == (first, second)
    page.mouse.click(*other)
    assert pointed(one) == second
    page.mouse.click(*one)  # another place: it moves
    assert pointed(other) == first
    page.mouse.click(*one)  # the same place: it is released
    assert pointed(other) == second
    assert hint.inner_text() == free


# --- for everyone ---------------------------------------------------------------------------------------------------


@every_explorer
def test_axe_finds_nothing_serious_light_and_dark_wide_and_narrow(visit, name):
    page = visit(f"{name}-full")
    CASES[name].fill(page)
    for viewport in (COLUMN, PHONE):
        page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
            settle(page)
            assert serious_findings(page) == [], (viewport, theme)


@every_explorer
def test_what_happens_is_announced_politely_once_things_are_still(visit, name):
    page = visit(name)
    status = page.get_by_role("status")
    assert status.get_attribute("aria-live") == "polite"
    page.wait_for_function("document.querySelector('.x-spoken').textContent !== ''")
    status.evaluate(
        """e => { window.said = [];
          new MutationObserver(() => said.push(e.textContent)).observe(e, { childList: true }); }"""
    )
    page.clock.install()
    for move in CASES[name].moves:
        move(root(page, name))
    page.clock.run_for(2000)
    said = page.evaluate("said")
    assert len(said) == 1 and CASES[name].words in said[0], said


WIDE = """() => [...document.querySelectorAll(".explorer *:not(.x-spoken, .x-handle)")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth).map((e) => e.className)"""
SMALL = """() => [...document.querySelectorAll(".explorer :is(button, select, input)")].filter((e) => e.offsetParent)
  .map((element) => {
    const target = element.type === "checkbox" ? element.parentElement : element;
    const { width, height } = target.getBoundingClientRect();
    return [element.getAttribute("aria-label") ?? element.innerText, width, height];
  }).filter(([, width, height]) => Math.min(width, height) < 40)"""


@every_explorer
def test_nothing_sticks_out_and_targets_are_large_enough_for_fingers(visit, name):
    page = visit(f"{name}-full", viewport=PHONE, touch=True)
    CASES[name].fill(page)
    for width in (320, 360, 390, 560, 736, 768):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(WIDE) == [], width
        assert width < 360 or page.evaluate(SMALL) == [], width


BRIGHTNESS = """() => [...document.querySelectorAll(".x-stage > .x-picture")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [sum, count] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] > 200) [sum, count] = [sum + data[at] + data[at + 1] + data[at + 2], count + 3];
  }
  return sum / Math.max(1, count);
})"""


@every_explorer
def test_dark_pages_get_dark_pictures_at_once(visit, name):
    page = visit(name, expected="willReadFrequently")
    light = page.evaluate(BRIGHTNESS)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    darker = np.subtract(light, page.evaluate(BRIGHTNESS))
    assert darker.max() > 100 and darker.min() >= -1


@every_explorer
def test_reduced_motion_stills_everything_and_leaves_out_playing(visit, name):
    moving = """() => [...document.querySelectorAll(".explorer, .explorer *")].filter((element) => {
      const style = getComputedStyle(element);
      return style.animationName !== "none" || style.transitionDuration !== "0s";
    }).length"""
    page = visit(name, reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    assert page.locator(".x-play:visible").count() == 0
    page.emulate_media(reduced_motion="no-preference")
    play = page.locator(".x-play")
    if play.count():
        page.wait_for_selector(".x-play:visible")
        play.click()
        page.emulate_media(reduced_motion="reduce")
        page.wait_for_selector(".x-play", state="hidden")
        held = state(page, name)
        page.wait_for_timeout(300)
        assert state(page, name) == held


# --- on paper -------------------------------------------------------------------------------------------------------


@every_explorer
def test_paper_shows_the_present_state(visit, name):
    """Printing replaces the still picture by one of what is there now, which V8 alone draws in the same strokes."""
    case = CASES[name]
    page = visit(name)
    assert not page.locator(".course-still").is_visible()
    drawn = page.evaluate(
        f"""async () => {{ const {{ still }} = await import("./explorers/{name}.js");
          return still(JSON.parse(document.querySelector("script[type='application/json']").textContent)); }}"""
    )
    assert drawn == case.explorer(**case.first).still()
    pictures = []
    for move in (lambda _: None, case.moves[-1]):
        move(root(page, name))
        page.wait_for_timeout(600)  # what was done has been announced
        page.pdf()  # which is printing
        pictures.append(page.locator("svg.course-still").evaluate("e => e.outerHTML"))
    assert pictures[0] != pictures[1]
    still = page.locator("svg.course-still")
    assert case.words in still.get_attribute("aria-label")
    page.emulate_media(media="print")
    assert still.is_visible() and not page.locator(".explorer").is_visible()


@every_explorer
def test_pages_without_scripts_show_the_still_picture(visit, name):
    page = visit(name, java_script_enabled=False)
    still = page.locator("img.course-still")
    assert still.is_visible() and page.locator(".explorer").count() == 0
    assert still.bounding_box()["width"] > 600
    assert len(still.get_attribute("alt")) > 80


# --- the host -------------------------------------------------------------------------------------------------------


def test_explorers_on_a_page_share_what_is_common_and_do_not_disturb_one_another(visit):
    page = visit("all")
    page.wait_for_function("document.querySelectorAll('.is-mounted').length === 14")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    modules = sorted(name.rpartition("/")[2] for name in loaded if "/explorers/" in name)
    assert modules == [
        *[
            "architecture.js",
            "attention.js",
            "common.js",
            "digits.js",
            "kernel.js",
            "lenet.js",
            "networks.js",
            "optimizer.js",
        ],
        *["shape.js", "train.js", "vit.js"],
    ]
    before = {(name, which): state(page, name, which) for name in CASES for which in (0, 1)}
    for name, case in CASES.items():
        case.moves[0](root(page, name))
        for (other, which), seen in before.items():
            assert (state(page, other, which) == seen) == ((other, which) != (name, 0))
        before[name, 0] = state(page, name)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "name, reason",
    [
        ("missing", r"Failed to fetch dynamically imported module: \S+/explorers/absent\.js"),
        ("wrong", "no explorer is called “../kernel”"),
        ("failing", "nothing here"),
        ("garbled", ".*JSON.*"),
    ],
)
def test_an_explorer_that_cannot_start_says_so_and_shows_its_picture(visit, name, reason):
    page = visit(name, expected="404")
    sentence = page.locator(".course-explorer-fault").inner_text()
    start, end = "The explorer could not start here (", "). The picture below shows it at rest."
    assert re.fullmatch(re.escape(start) + reason + re.escape(end), sentence)
    assert page.locator(".course-still").is_visible()
    # sentence, state, picture
    assert page.locator(".course-explorer").evaluate("e => e.children.length") == 3


@every_explorer
def test_an_explorer_can_be_taken_away_even_while_it_plays(visit, name):
    """What render returns undoes it: elements, listeners and timers are gone."""
    left = visit(name).evaluate(
        f"""async () => {{ {FAKE_MODEL % name}
          el.querySelector(".x-play")?.click();
          const before = [el.children.length, listeners.size > 0];
          remove();
          const held = JSON.stringify(state);
          await new Promise((done) => setTimeout(done, 500));
          return [...before, el.children.length, listeners.size, JSON.stringify(state) === held];
        }}"""
    )
    assert left == [1, True, 0, 0, True]
