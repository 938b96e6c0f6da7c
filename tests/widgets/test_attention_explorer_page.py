"""AttentionExplorer in a page: its numbers are torch's, and one points and draws by mouse, finger and keys."""

import json

import make_vit_live
import numpy as np
import pytest
import torch
from explorer_pages import COLUMN, FAKE_MODEL, PHONE, settle

from cnncourse import models
from cnncourse.widgets import AttentionExplorer
from cnncourse.widgets.attention import PICTURES, SHIPPED, sample_pictures

CLOSE = dict(rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def torch_answers():
    """answers(pictures) → (maps (N, 6, 3, 50, 50), rollout of the class token (N, 50), probabilities (N, 10)).

    In torch's own form: the course's model with the rounded weights, and rollout as the paper multiplies it.
    """
    manifest = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))
    model = models.build("vit_tiny", in_channels=1, image_size=28)
    with np.load(SHIPPED / "weights.npz") as arrays:
        model.load_state_dict(make_vit_live.unpacked(arrays))

    @torch.no_grad()
    def answers(pictures):
        x = torch.from_numpy(np.asarray(pictures, np.float32))[:, None]
        x = (x / 255 - manifest["mean"]) / manifest["std"]
        maps = torch.stack(model.eval().attention(x), dim=1)
        product = torch.eye(50)
        for layer in range(6):
            product = 0.5 * (maps[:, layer].mean(1) + torch.eye(50)) @ product
        return maps.numpy(), product[:, 0].numpy(), model(x).softmax(1).numpy()

    return answers


@pytest.fixture(scope="module")
def address(publish):
    return publish(
        one=AttentionExplorer(layer=1, patch="class token").page_html(),
        blank=AttentionExplorer(picture="drawing", head="mean", layer=6, patch="class token").page_html(),
        two=AttentionExplorer(layer=2).page_html()
        + AttentionExplorer(picture="bag 1", patch=[3, 3]).page_html(),
    )


def state(page, which=0):
    return json.loads(page.locator("[data-explorer=attention]").nth(which).get_attribute("data-state"))


def stage(page, name):
    return page.locator(f".x-{name} .x-stage").first


def radio(page, group, name):
    return page.get_by_role("group", name=group, exact=True).get_by_role("radio", name=name, exact=True)


def place(page, row, column, name="shown"):
    """Where a patch lies on the screen; row 0 is the class token's."""
    box = stage(page, name).bounding_box()
    step = box["width"] / 28
    down = 2 if row == 0 else 5 + 4 * row - 2
    return box["x"] + (4 * column - 2) * step, box["y"] + down * step


def take(page, name):
    page.get_by_role("button", name=f"Take {name}", exact=True).click()
    settle(page)


def draw(page, *points):
    """A stroke through pixels (row, column) of the picture."""
    box = stage(page, "shown").bounding_box()
    step = box["width"] / 28
    for index, (row, column) in enumerate(points):
        page.mouse.move(box["x"] + (column + 0.5) * step, box["y"] + (5 + row + 0.5) * step, steps=4)
        if index == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def drawn(page):
    """The gray value in the middle of each pixel of the painted picture."""
    return np.array(
        stage(page, "shown").locator(".x-picture").evaluate(
            """(canvas) => {
              const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              const step = width / 28;
              const at = (cell) => Math.floor((cell + 0.5) * step);
              return Array.from({ length: 28 }, (_, r) => Array.from({ length: 28 }, (_, c) =>
                data[4 * (at(r + 5) * width + at(c))]));
            }"""
        )
    )  # fmt: skip


# --- the numbers ----------------------------------------------------------------------------------------------------

MODULE = """const { decodeNetwork, forward, rollout } = await import("./explorers/attention.js");
  const { VIT } = await import("./explorers/vit.js");
  const network = decodeNetwork(VIT);"""


def pictures():
    rng = np.random.default_rng(2)
    noise = rng.integers(0, 256, (2, 28, 28), dtype=np.uint8)
    drawing = np.zeros((28, 28), np.uint8)
    drawing[4:24, 10:18] = 200
    return np.stack([*sample_pictures().values(), *noise, drawing, np.zeros((28, 28), np.uint8)])


def test_maps_rollout_and_probabilities_of_any_picture_are_those_of_torch(modules, torch_answers):
    found = modules.evaluate(
        f"""async (pictures) => {{ {MODULE}
          return pictures.map((pixels) => {{
            const {{ maps, probabilities }} = forward(network, pixels);
            return [maps.map((map) => [...map]), [...rollout(maps)], probabilities];
          }}); }}""",
        pictures().reshape(-1, 784).tolist(),
    )
    maps, rolled, probabilities = torch_answers(pictures())
    for index, answer in enumerate(found):
        np.testing.assert_allclose(np.reshape(answer[0], (6, 3, 50, 50)), maps[index], **CLOSE)
        np.testing.assert_allclose(answer[1], rolled[index], **CLOSE)
        np.testing.assert_allclose(answer[2], probabilities[index], **CLOSE)


def test_every_layer_and_head_of_the_page_is_the_row_of_torch(visit, torch_answers):
    page = visit()
    take(page, "bag 2")
    page.get_by_label("Who looks").select_option("19")  # row 3, column 5
    (maps,), (rolled,), (probabilities,) = torch_answers([sample_pictures()["bag 2"]])
    for layer in range(6):
        radio(page, "Layer", str(layer + 1)).check()
        for head in range(4):
            radio(page, "Head", ["1", "2", "3", "mean"][head]).check()
            seen = state(page)
            assert (seen["layer"], seen["head"]) == (layer + 1, [1, 2, 3, "mean"][head])
            row = maps[layer, head, 19] if head < 3 else maps[layer, :, 19].mean(axis=0)
            np.testing.assert_allclose(seen["attention"], row, **CLOSE)
    assert (seen["picture"], seen["patch"]) == ("bag 2", [3, 5])
    np.testing.assert_allclose(seen["rollout"], rolled, **CLOSE)
    np.testing.assert_allclose(seen["probabilities"], probabilities, **CLOSE)


def test_a_drawing_is_answered_as_torch_answers_it(visit, torch_answers):
    page = visit("blank", expected="willReadFrequently")
    radio(page, "A press", "draws").check()
    draw(page, (6, 8), (20, 8), (20, 22))
    page.wait_for_function(
        "JSON.parse(document.querySelector('.explorer').dataset.state).picture === 'drawing'"
    )
    page.wait_for_timeout(300)  # on a slow machine the answer follows
    picture = drawn(page).astype(np.uint8)
    assert (picture[7:20, 8] == 255).all() and picture[:4].max() == picture[:, :5].max() == 0
    (maps,), (rolled,), (probabilities,) = torch_answers([picture])
    seen = state(page)
    assert (seen["picture"], seen["layer"], seen["head"], seen["patch"]) == (
        "drawing",
        6,
        "mean",
        "class token",
    )
    np.testing.assert_allclose(seen["attention"], maps[5, :, 0].mean(axis=0), **CLOSE)
    np.testing.assert_allclose(seen["rollout"], rolled, **CLOSE)
    np.testing.assert_allclose(seen["probabilities"], probabilities, **CLOSE)


def test_the_sentence_tells_the_largest_weights(visit, torch_answers):
    page = visit()
    (maps,), _, _ = torch_answers([sample_pictures()[PICTURES[-2]]])
    radio(page, "Layer", "4").check()
    page.get_by_label("Who looks").select_option("24")  # row 4, column 3
    settle(page)
    row = maps[3, 0, 24]

    def name(token):
        place = f"patch ({(token - 1) // 7 + 1},\xa0{(token - 1) % 7 + 1})"
        return "itself" if token == 24 else "the class token" if token == 0 else place

    first, second, third = [f"{100 * row[token]:.1f}\xa0%" for token in (-row).argsort()[:3]]
    names = [name(token) for token in (-row).argsort()[:3]]
    assert page.locator(".x-words .x-sentence").inner_text() == (
        f"Head 1 of layer 4: patch (4,\xa03) gives {first} of its attention to {names[0]}, "
        f"{second} to {names[1]} and {third} to {names[2]}."
    )
    spread = f"{1 / (row.astype(float) ** 2).sum():.1f}".removesuffix(".0")
    assert f"spread as over {spread} equal ones of 50" in page.locator(".x-words").inner_text()
    places = np.array([[index // 7, index % 7] for index in range(49)])
    apart = np.hypot(*(places - places[23]).T)
    far = (row[1:] * apart).sum() / row[1:].sum()
    words = page.locator(".x-words .x-note").inner_text()
    assert f"{far:.1f}".removesuffix(".0") + " patches away on average" in words
    assert words.endswith(f"where a plain mean gives {apart.mean():.1f}.")


# --- pointing -------------------------------------------------------------------------------------------------------


def test_mouse_previews_and_a_click_holds(visit):
    page = visit()
    page.mouse.move(*place(page, 3, 5))
    assert state(page)["patch"] == [3, 5]
    page.mouse.move(*place(page, 7, 7))
    assert state(page)["patch"] == [7, 7]
    page.mouse.move(5, 5)
    assert state(page)["patch"] == "class token"
    page.mouse.click(*place(page, 2, 6))
    page.mouse.move(5, 5)
    settle(page)
    assert state(page)["patch"] == [2, 6]
    assert page.get_by_label("Who looks").input_value() == "13"
    page.mouse.click(*place(page, 0, 1))
    page.mouse.move(5, 5)
    assert state(page)["patch"] == "class token"


def test_the_small_maps_choose_layer_and_head(visit):
    page = visit()
    maps = stage(page, "heads")
    maps.scroll_into_view_if_needed()
    box = maps.bounding_box()
    columns = [box["x"] + 46 + (box["width"] - 46) * (layer + 0.4) / 6 for layer in range(6)]
    rows = [box["y"] + 20 + (box["height"] - 20) * (head + 0.5) / 4 for head in range(4)]
    page.mouse.move(columns[4], rows[2])
    assert (state(page)["layer"], state(page)["head"]) == (5, 3)
    page.mouse.move(box["x"] + 3, rows[2])  # beside them
    assert (state(page)["layer"], state(page)["head"]) == (1, 1)
    page.mouse.click(columns[2], rows[3])
    page.mouse.move(5, 5)
    settle(page)
    assert (state(page)["layer"], state(page)["head"]) == (3, "mean")
    assert radio(page, "Layer", "3").is_checked() and radio(page, "Head", "mean").is_checked()
    assert page.locator(".x-weights .x-title").inner_text() == "Mean of the heads of layer 3"


def test_arrow_keys_move_the_patch_and_the_map(visit):
    page = visit()
    stage(page, "shown").focus()
    for key, patch in [
        ("ArrowUp", "class token"),
        ("ArrowDown", [1, 1]),
        ("ArrowRight", [1, 2]),
        ("ArrowDown", [2, 2]),
        ("End", [7, 7]),
        ("ArrowDown", [7, 7]),
        ("ArrowLeft", [7, 6]),
        ("Home", "class token"),
        ("ArrowRight", "class token"),
    ]:
        page.keyboard.press(key)
        assert state(page)["patch"] == patch, key
    stage(page, "heads").focus()
    for key, chosen in [
        ("ArrowRight", (2, 1)),
        ("ArrowDown", (2, 2)),
        ("End", (6, "mean")),
        ("ArrowUp", (6, 3)),
        ("Home", (1, 1)),
        ("ArrowLeft", (1, 1)),
    ]:
        page.keyboard.press(key)
        assert (state(page)["layer"], state(page)["head"]) == chosen, key
    page.wait_for_function(
        "document.querySelector('.x-spoken').textContent.startsWith('Head 1 of layer 1: the class token gives ')"
    )


def test_by_finger_one_taps_a_patch_and_the_page_still_scrolls(visit):
    page = visit(viewport=PHONE, touch=True)
    page.touchscreen.tap(*place(page, 5, 2))
    settle(page)
    assert state(page)["patch"] == [5, 2]
    assert stage(page, "shown").evaluate("e => getComputedStyle(e).touchAction") == "pan-y"
    radio(page, "A press", "draws").check()
    settle(page)
    assert stage(page, "shown").evaluate("e => getComputedStyle(e).touchAction") == "none"


def test_the_strongest_patch_has_the_strongest_color_and_the_frame_is_where_one_points(visit):
    page = visit(expected="willReadFrequently")
    take(page, "trouser 1")
    page.get_by_label("Who looks").select_option("25")
    settle(page)
    row = np.array(state(page)["attention"])
    shades = np.array(
        stage(page, "weights").locator(".x-picture").evaluate(
            """(canvas) => {
              const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              const step = width / 28;
              const pixel = (y, x) => 4 * (Math.floor(y * step) * width + Math.floor(x * step));
              const at = (y, x) => [...data.slice(pixel(y, x), pixel(y, x) + 3)];
              const patches = Array.from({ length: 49 }, (_, patch) =>
                at(5 + 4 * Math.floor(patch / 7) + 0.5, 4 * (patch % 7) + 0.5));
              return [at(0.5, 0.5), ...patches]; }"""
        )
    )  # fmt: skip
    black = np.r_[True, sample_pictures()["trouser 1"][::4, ::4].ravel() == 0]  # no picture shines through
    blueness = shades[:, 2].astype(int) - shades[:, 0]
    order = np.argsort(row[black])
    assert (np.diff(blueness[black][order]) >= -1).all()
    assert blueness[black].max() - blueness[black].min() > 60


# --- drawing --------------------------------------------------------------------------------------------------------


def test_a_chosen_picture_is_drawn_on_and_comes_back(visit):
    page = visit(expected="willReadFrequently")
    before = state(page)
    radio(page, "A press", "draws").check()
    draw(page, (3, 3), (3, 12))
    page.wait_for_timeout(300)
    after = state(page)
    assert after["picture"] == "drawing" and after["probabilities"] != before["probabilities"]
    expected = sample_pictures()[PICTURES[-2]]
    assert (drawn(page)[3, 4:12] == 255).all()
    np.testing.assert_array_equal(drawn(page)[12:], expected[12:])
    assert page.locator(".x-thumb[aria-pressed=true]").count() == 0
    page.get_by_role("checkbox", name="Erase").check()
    draw(page, (3, 0), (3, 27))
    assert drawn(page)[3].max() == 0
    take(page, PICTURES[-2])
    assert state(page) == before
    page.get_by_role("button", name="Clear").click()
    settle(page)
    page.wait_for_timeout(300)
    assert drawn(page).max() == 0 and state(page)["picture"] == "drawing"
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert state(page) == before and radio(page, "A press", "points").is_checked()


def test_drawing_by_keyboard(visit):
    page = visit("blank", expected="willReadFrequently")
    radio(page, "A press", "draws").check()
    stage(page, "shown").focus()
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowUp")
    settle(page)
    assert (drawn(page)[9:15, 14] == 255).all() and drawn(page)[:7].max() == 0
    page.wait_for_function(
        "document.querySelector('.x-spoken').textContent.startsWith('Row 9, column 14: 255.')"
    )
    page.keyboard.press("Delete")
    settle(page)
    assert drawn(page)[9, 14] == 0


def test_on_a_slow_machine_the_stroke_is_there_before_the_answer(visit, torch_answers):
    """With a processor a tenth as fast a stroke is painted in its frame, and the answer of torch follows."""
    page = visit("blank", expected="willReadFrequently")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 10})
    radio(page, "A press", "draws").check()
    draw(page, (4, 6), (4, 20))  # how long an answer takes is known from here on
    page.wait_for_timeout(1500)
    found = stage(page, "shown").evaluate(
        """async (stage) => {
          const root = stage.closest(".explorer");
          const box = stage.getBoundingClientRect();
          const before = root.dataset.state;
          const frame = () => new Promise((done) => requestAnimationFrame(done));
          stage.dispatchEvent(new PointerEvent("pointermove", { buttons: 1, bubbles: true,
            clientX: box.left + 0.5 * box.width, clientY: box.top + 0.8 * box.height }));
          await null;
          const waits = root.dataset.state === before;
          await frame();
          await frame();
          const canvas = stage.querySelector(".x-picture");
          const [gray] = canvas.getContext("2d").getImageData(canvas.width / 2, 0.8 * canvas.height, 1, 1).data;
          return [waits, gray];
        }"""
    )
    assert found == [True, 255]
    page.wait_for_timeout(1500)
    _, _, (probabilities,) = torch_answers([drawn(page)])
    np.testing.assert_allclose(state(page)["probabilities"], probabilities, **CLOSE)


# --- for everyone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [COLUMN, PHONE], ids=["column", "phone"])
def test_nothing_moves_while_one_points_and_chooses(visit, viewport):
    page = visit(viewport=viewport)
    heights = set()
    for token in ("0", "1", "25", "49"):
        page.get_by_label("Who looks").select_option(token)
        for layer in ("1", "4", "6"):
            radio(page, "Layer", layer).check()
            for picture in ("trouser 1", "sandal 1", "bag 2"):
                take(page, picture)
                heights.add(page.locator(".explorer").bounding_box()["height"])
    assert max(heights) - min(heights) < 1, heights


def test_two_explorers_share_the_weights_and_nothing_else(visit):
    page = visit("two")
    page.wait_for_function("document.querySelectorAll('.is-mounted').length === 2")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len([name for name in loaded if name.endswith("/vit.js")]) == 1
    first, second = state(page, 0), state(page, 1)
    assert (first["picture"], second["picture"], second["patch"]) == ("ankle boot 1", "bag 1", [3, 3])
    page.get_by_role("button", name="Take dress 1").first.click()
    settle(page)
    assert state(page, 0)["picture"] == "dress 1" and state(page, 1) == second


def test_what_a_kernel_sends_is_shown(visit, torch_answers):
    drawing = np.zeros((28, 28), int)
    drawing[5:23, 9:19] = 180
    seen = visit().evaluate(
        f"""async (drawing) => {{ {FAKE_MODEL % "attention"}
          await send({{ drawing, picture: "drawing", layer: 5, head: 2, patch: [6, 3] }});
          return JSON.parse(el.firstChild.dataset.state);
        }}""",
        drawing.tolist(),
    )
    (maps,), _, (probabilities,) = torch_answers([drawing])
    assert (seen["layer"], seen["head"], seen["patch"]) == (5, 2, [6, 3])
    np.testing.assert_allclose(seen["attention"], maps[4, 1, 1 + 5 * 7 + 2], **CLOSE)
    np.testing.assert_allclose(seen["probabilities"], probabilities, **CLOSE)
