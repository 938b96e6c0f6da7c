"""TrainLive in a page: it trains, says what happens, and stays usable meanwhile."""

import json

import numpy as np
import pytest
import torch
from answers import MULTIPLY_ADDS, PLAIN, MainThread
from explorer_pages import FAKE_MODEL, PHONE, settle
from test_train_explorer import DEFAULTS, load, pixels, torch_network
from torch.nn import functional as F

from cnncourse.widgets import ShapeExplorer, TrainLive, page_modules, stylesheet

BRIEF = dict(epochs=2, batch_size=64, lr=0.02)  # 62 steps
LONG = 120_000  # ms: no test waits that long unless something is wrong


@pytest.fixture(scope="module")
def address(publish):
    return publish(
        one=TrainLive().page_html(),
        brief=TrainLive(**BRIEF).page_html(),
        long=TrainLive(epochs=50).page_html(),
        two=TrainLive(**BRIEF, what_if={"lr": 10}).page_html(),
        same=TrainLive(**BRIEF, what_if={"lr": 0.02}).page_html(),
        bare=ShapeExplorer().page_html() + '<script type="application/json" id="fresh">'
        + json.dumps(TrainLive(**BRIEF).state()) + "</script>",
    )  # fmt: skip


def state(page):
    return json.loads(page.locator("[data-explorer=train]").get_attribute("data-state"))


def press(page, name):
    page.get_by_role("button", name=name, exact=False).first.click()
    settle(page)


def wait(page, condition):
    """Wait until a condition on the state `s` holds."""
    page.wait_for_function(
        f"(() => {{ const s = JSON.parse(document.querySelector('[data-explorer=train]').dataset.state); "
        f"return {condition}; }})()",
        timeout=LONG,
    )
    return state(page)


def done(page):
    page.wait_for_selector("text=Train again", timeout=LONG)
    return state(page)


def said(page):
    return page.locator(".x-sentence").inner_text()


# --- it learns ------------------------------------------------------------------------------------------------------


def test_from_its_defaults_it_reads_nine_of_ten_held_out_digits_within_a_minute(visit):
    """A minute here is 8 epochs of 2,000 images: at 1,500 images a second they take 11 seconds."""
    page = visit()
    first = state(page)
    assert first["settings"] == TrainLive().settings() | {"what_if": None}
    assert (first["step"], first["epoch"], first["diverged"]) == (0, 0, None)
    assert said(page).startswith("Press Train: the network learns 2,000 handwritten digits")
    press(page, "Train")
    last = wait(page, "s.test_accuracy >= 0.9")
    assert last["epoch"] <= 8 and last["train_loss"] < 1 and last["diverged"] is None
    press(page, "Pause")
    assert "of the held-out digits right after" in said(page)


def test_single_steps_and_a_whole_run_have_the_numbers_of_torch(visit):
    """The worker knows all it needs, and its batches, loss, gradients and probabilities are torch's."""
    page = visit("brief")
    press(page, "One step")
    seen = wait(page, "s.step === 1 && s.test_accuracy !== null")
    before, order = page.evaluate(
        """async (settings) => {
          const { Network, shuffled } = await import("./explorers/train.js");
          const network = new Network(settings);
          return [Object.fromEntries(network.parameters.map(({ name, value }) => [name, [...value]])),
            [...shuffled(2000, settings.seed, 0)]];
        }""",
        DEFAULTS | BRIEF,
    )
    model = load(torch_network(**DEFAULTS), before)
    optimizer = torch.optim.SGD(model.parameters(), BRIEF["lr"], momentum=0.9)
    x, labels = pixels()
    loss = F.cross_entropy(model(x[order[:64]]), labels[order[:64]])
    loss.backward()
    optimizer.step()
    assert seen["train_loss"] == pytest.approx(loss.item(), rel=1e-5)
    sizes = [
        p.grad.square().mean().sqrt().item()
        for name, p in model.named_parameters()
        if name.endswith("weight")
    ]
    np.testing.assert_allclose(seen["gradients"], sizes, rtol=1e-4)
    held, answers = pixels("test")
    with torch.no_grad():
        logits = model(held)
    np.testing.assert_allclose(seen["probabilities"], logits[seen["digit"]].softmax(0), atol=1e-5)
    assert seen["test_accuracy"] == pytest.approx(
        (logits.argmax(1) == answers).float().mean().item(), abs=0.003
    )
    assert seen["test_loss"] == pytest.approx(F.cross_entropy(logits, answers).item(), rel=1e-4)
    press(page, "One step")
    assert wait(page, "s.step === 2")["epoch"] == pytest.approx(2 / 31)


def test_a_run_is_repeated_exactly_and_another_seed_is_another_run(visit):
    page = visit("brief")
    ends = []
    for seed in (None, None, "7"):
        if seed:
            page.get_by_label("Seed").fill(seed)
            page.keyboard.press("Tab")
        press(page, "Train")
        if ends:  # a pause changes nothing
            wait(page, "s.step > 5")
            press(page, "Pause")
            page.wait_for_timeout(300)
            press(page, "Go on" if state(page)["step"] < 62 else "Train again")
        ends.append(done(page))
        press(page, "Start over")
        assert state(page)["step"] == 0 and state(page)["test_accuracy"] is None
    assert ends[0]["step"] == 62 and ends[0]["epoch"] == 2
    assert ends[0] == ends[1]
    assert ends[2]["train_loss"] != ends[0]["train_loss"] and ends[2]["settings"]["seed"] == 7


def test_pausing_holds_and_going_on_continues(visit):
    page = visit("long")
    press(page, "Train")
    wait(page, "s.step > 20")
    press(page, "Pause")
    page.wait_for_timeout(400)
    held = state(page)
    page.wait_for_timeout(400)
    assert state(page) == held
    press(page, "Go on")
    wait(page, f"s.step > {held['step'] + 10}")


def test_the_learning_rate_changes_while_it_trains_and_all_else_begins_anew(visit):
    page = visit("long")
    press(page, "Train")
    step = wait(page, "s.step > 20")["step"]
    page.get_by_label("Learning rate", exact=True).fill("20")  # 0.001
    assert state(page)["settings"]["lr"] == 0.001 and state(page)["step"] >= step
    wait(page, f"s.step > {step + 20}")
    page.get_by_label("Momentum μ").fill("0.5")
    wait(page, f"s.step > {step + 40}")
    before = state(page)["step"]
    page.get_by_label("Activation").select_option("tanh")
    assert state(page)["step"] < before and state(page)["settings"]["activation"] == "tanh"
    wait(page, "s.step > 5")  # it goes on training
    press(page, "Reset")
    assert state(page)["settings"] == TrainLive(epochs=50).settings() | {"what_if": None}
    assert state(page)["step"] == 0
    page.wait_for_timeout(300)
    assert state(page)["step"] == 0


# --- divergence, and what if ----------------------------------------------------------------------------------------


def test_the_top_of_the_slider_diverges_in_words_with_its_step(visit):
    page = visit("brief")
    page.get_by_label("Learning rate", exact=True).fill("100")
    assert state(page)["settings"]["lr"] == 10
    press(page, "Train")
    last = done(page)
    assert last["diverged"] == last["step"] + 1
    assert said(page).startswith(f"Diverged at step {last['diverged']}: its loss is ")
    assert page.locator(".x-sentence.is-gone").count() == 1
    page.wait_for_function("document.querySelector('.x-spoken').textContent.startsWith('Diverged at step')")
    assert page.get_by_role("button", name="One step").get_attribute("aria-disabled") == "true"
    assert "Diverged" in page.get_by_role("img", name="Loss against epochs").get_attribute("aria-label")


def test_a_dead_layer_is_named(visit):
    page = visit("brief")
    page.get_by_label("Initialization").select_option("zero")
    press(page, "Train")
    last = done(page)
    assert last["dead"] == [1, 1, 1] and last["diverged"] is None
    assert said(page).startswith("Conv 1 is dead: no unit answers to any digit")
    cells = page.locator(".x-layer-row [role=cell]").all_inner_texts()
    assert cells[1::2] == ["100 %", "100 %", "100 %", ""] and cells[0] == "0"


def test_what_if_puts_a_second_network_beside_the_first(visit):
    page = visit("two")
    assert page.locator(".x-inside").count() == 2
    press(page, "Train")
    last = done(page)
    assert last["diverged"] is None and last["step"] == 62
    assert last["second"]["diverged"] is not None and last["second"]["step"] < 62
    assert said(page).startswith("Learning rate 0.02: ") and "Learning rate 10: Diverged at step" in said(
        page
    )
    page.get_by_label("What if").select_option("activation")
    assert state(page)["settings"]["what_if"] == {"activation": "sigmoid"} and state(page)["step"] == 0
    page.get_by_label("Activation of the second").select_option("tanh")
    assert state(page)["settings"]["what_if"] == {"activation": "tanh"}
    page.get_by_label("What if").select_option("")
    assert state(page)["second"] is None and page.locator(".x-inside").count() == 1


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_every_setting_can_be_the_one_that_differs(visit, name):
    page = visit("brief")
    options = page.get_by_label("What if").locator("option").evaluate_all("all => all.map((e) => e.value)")
    assert (name in options) == (name != "epochs")
    if name == "epochs":
        return
    page.get_by_label("What if").select_option(name)
    what_if = state(page)["settings"]["what_if"]
    assert list(what_if) == [name] and what_if[name] != state(page)["settings"][name]
    assert TrainLive(what_if=what_if).what_if == what_if
    press(page, "One step")
    seen = wait(page, "s.step === 1 && s.second.step === 1")
    same = name in ("lr", "optimizer", "momentum", "schedule")
    assert (
        seen["train_loss"] == seen["second"]["train_loss"]
    ) == same  # the first batch, before any difference


def test_two_networks_with_equal_settings_are_one(visit):
    page = visit("same")
    press(page, "Train")
    last = done(page)
    second = last.pop("second")
    assert second == {name: last[name] for name in second}


# --- inside ---------------------------------------------------------------------------------------------------------


def test_another_digit_is_shown_by_thumb_and_by_arrow_keys_before_and_after_training(visit):
    page = visit("brief")
    labels = pixels("test")[1]
    press(page, "Show it a 8")
    assert labels[state(page)["digit"]] == 8
    at_rest = state(page)["probabilities"]
    press(page, "Train")
    done(page)
    assert state(page)["probabilities"] != at_rest and state(page)["probabilities"][8] > at_rest[8]
    page.get_by_role("application", name="Its 8 maps").focus()
    for key, digit in (("Home", 0), ("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 499), ("End", 499)):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert state(page)["digit"] == digit
        assert page.locator(".x-says").inner_text().startswith(f"A {labels[digit]}: it says ")


# --- meanwhile ------------------------------------------------------------------------------------------------------


def test_the_page_stays_free_while_it_trains(visit):
    """Of the time the page's own thread works less than half; what it does takes at most 100 ms at a time."""
    page = visit("long")
    press(page, "Train")
    wait(page, "s.step > 60")
    thread = MainThread(page)
    wall = """async () => {
      const from = performance.now();
      await new Promise((done) => setTimeout(done, 3000));
      return performance.now() - from;
    }"""
    before = thread.now()
    passed = page.evaluate(wall)
    assert (thread.now() - before)[0] < 0.5 * passed
    assert len(page.workers) == 1


def test_an_image_costs_few_plain_multiplications(visit):
    """1,500 images a second are 0.67 ms each; a loop does a million multiply-adds in about 1 ms."""
    page = visit("bare")
    thread = MainThread(page)
    train = """async (settings) => {
      const { Run, decodeDigits } = await import("./explorers/train.js");
      const { DIGITS } = await import("./explorers/digits.js");
      const none = { n: 0, x: new Float32Array(0), labels: [] };
      window.run ??= new Run(settings, decodeDigits(DIGITS, DIGITS.train), none);
      for (let step = 0; step < 30; step += 1) window.run.next();
    }"""
    images, loops = [], []
    for _ in range(6):
        images.append(thread.spent(train, DEFAULTS)[0] / (30 * 32))
        loops.append(thread.spent(PLAIN, MULTIPLY_ADDS)[0] / (MULTIPLY_ADDS / 1e6))
    cost = np.median(images[1:]) / np.median(loops[1:])
    assert cost < 1.5, (cost, 1000 / np.median(images[1:]))


def test_without_workers_the_page_trains_itself_in_slices(visit, address, browser):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("window.Worker = class { constructor() { throw new Error('no workers here'); } }")
    page.goto(f"{address}brief.html")
    page.wait_for_selector(".is-mounted")
    press(page, "Train")
    here = done(page)
    context.close()
    page = visit("brief")
    press(page, "Train")
    assert done(page) == here


def test_a_worker_that_does_not_start_is_replaced(visit, address, browser):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """window.Worker = class { postMessage() {} terminate() { window.ended = true; }
             constructor() { setTimeout(() => this.onerror(new Event("error")), 50); } }"""
    )
    page.goto(f"{address}brief.html")
    page.wait_for_selector(".is-mounted")
    press(page, "Train")
    assert done(page)["step"] == 62 and page.evaluate("window.ended")
    context.close()


def test_slices_end_when_their_time_is_over(visit):
    """A step takes 4 ms here: after three of them a slice of 10 ms is over; a report comes when one is due."""
    got = visit("bare").evaluate(
        """async (settings) => {
          const { Session } = await import("./explorers/train.js");
          const { DIGITS } = await import("./explorers/digits.js");
          let [clock, reports, waiting] = [0, [], null];
          const session = new Session((report) => reports.push([clock, report.runs[0]?.step]), {
            slice: 10, pause: 30, now: () => clock, later: (work) => { waiting = work; },
          });
          const advance = session.advance.bind(session);
          session.advance = () => { advance(); clock += 4; };
          session.hear({ digits: DIGITS, look: 0, begin: { id: 1, settings: [settings] }, go: true });
          const steps = [];
          for (let slice = 0; slice < 6; slice += 1) { waiting(); steps.push(session.runs[0].step); }
          return [steps, reports];
        }""",
        DEFAULTS,
    )
    assert got == [[3, 6, 9, 12, 15, 18], [[0, 0], [36, 9], [72, 18]]]


def test_it_works_from_disk_as_one_module(browser, tmp_path):
    """A page without a server: the module as notebooks get it, digits included, and a worker."""
    held = json.dumps(TrainLive(**BRIEF).state())
    module = TrainLive.module_source().replace("</", "<\\/")
    text = f"""<!doctype html><meta charset="utf-8"><style>{stylesheet()}</style>
      <div id="host"></div><script type="module">
      {module.replace("export default { render };", "")}
      const state = {held};
      const model = {{ get: (name) => state[name], set: (name, value) => {{ state[name] = value; }},
        save_changes() {{}}, on() {{}}, off() {{}} }};
      render({{ model, el: document.querySelector("#host") }});</script>"""
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    press(page, "Train")
    assert done(page)["step"] == 62 and faults == []
    page.close()


# --- for everyone ---------------------------------------------------------------------------------------------------


def test_by_keyboard_alone(visit):
    page = visit("brief")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Train again", timeout=LONG)
    assert state(page)["step"] == 62
    page.get_by_label("Learning rate", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["settings"]["lr"] == 0.022


def test_by_finger_on_a_phone(visit):
    page = visit("brief", viewport=PHONE, touch=True)
    page.get_by_role("button", name="Train").tap()
    assert done(page)["test_accuracy"] > 0.3
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


def test_those_who_want_no_motion_get_a_picture_a_second(visit):
    page = visit("long", reduced_motion="reduce")
    page.evaluate(
        """window.changes = 0; new MutationObserver(() => changes++).observe(document.querySelector(".explorer"),
             { attributes: true, attributeFilter: ["data-state"] })"""
    )
    press(page, "Train")
    wait(page, "s.step > 20")
    before = page.evaluate("changes")
    page.wait_for_timeout(3000)
    assert page.evaluate("changes") - before <= 4


def test_training_is_announced_now_and_then_not_at_each_step(visit):
    page = visit("long")
    page.wait_for_function(
        "document.querySelector('.x-spoken').textContent.startsWith('Optimizer Momentum, ')"
    )
    page.evaluate(
        """window.said = []; new MutationObserver(() => said.push(document.querySelector(".x-spoken").textContent))
             .observe(document.querySelector(".x-spoken"), { childList: true })"""
    )
    press(page, "Train")
    page.wait_for_function("said.length >= 2", timeout=LONG)
    assert page.evaluate("said[0]") == "Training." and page.evaluate("said[1]").startswith("Epoch ")
    assert page.evaluate("said.length") == 2
    press(page, "Pause")
    page.wait_for_function("said.at(-1).startsWith('Paused. Step ')")


def test_colors_of_the_curves_follow_the_theme(visit):
    page = visit("brief", expected="willReadFrequently")
    press(page, "Train")
    done(page)
    strongest = """() => {
      const canvas = document.querySelector(".x-plot .x-picture");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const found = new Map();
      for (let at = 0; at < data.length; at += 4) {
        const key = [data[at], data[at + 1], data[at + 2]].join();
        if (data[at + 3] === 255) found.set(key, (found.get(key) ?? 0) + 1);
      }
      return ["0,114,178", "86,180,233"].map((key) => (found.get(key) ?? 0) > 20);
    }"""
    settle(page)
    assert page.evaluate(strongest) == [True, False]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    settle(page)
    assert page.evaluate(strongest) == [False, True]


@pytest.mark.parametrize("viewport", [dict(width=736, height=1000), PHONE], ids=["column", "phone"])
def test_nothing_moves_while_it_trains(visit, viewport):
    page = visit("brief", viewport=viewport)
    heights = {page.locator(".explorer").bounding_box()["height"]}
    press(page, "Train")
    wait(page, "s.step > 10")
    heights.add(page.locator(".explorer").bounding_box()["height"])
    done(page)
    heights.add(page.locator(".explorer").bounding_box()["height"])
    assert max(heights) - min(heights) < 1, heights


# --- beside a kernel ------------------------------------------------------------------------------------------------


def test_what_a_kernel_sends_is_shown_and_curves_are_kept_for_it(visit):
    seen = visit("brief").evaluate(
        f"""async () => {{ {FAKE_MODEL % "train"}
          await send({{ lr: 0.1, batch_norm: true }});
          el.querySelector(".x-train").click();
          const moment = () => new Promise((done) => setTimeout(done, 50));
          while (!el.querySelector(".x-train").innerText.includes("again")) await moment();
          const {{ settings, step }} = JSON.parse(el.firstChild.dataset.state);
          return {{ settings, step, record: state.record }};
        }}"""
    )
    assert seen["settings"]["lr"] == 0.1 and seen["settings"]["batch_norm"] is True and seen["step"] == 62
    (record,) = seen["record"]
    assert record["step"][0] == 0 and record["step"][-1] == 62
    assert all(
        len(record[name]) == len(record["step"]) for name in ("train_loss", "test_loss", "test_accuracy")
    )
    explorer = TrainLive(**BRIEF)
    explorer.set_trait("record", seen["record"])
    assert (
        f"After step 62 its loss on the held-out digits is {record['test_loss'][-1]:.3g}"
        in explorer.description()
    )


def test_in_a_running_notebook_it_follows_plain_ipywidgets_and_sends_its_curves(kernel):
    _, messages = kernel.run(
        "import ipywidgets\n"
        "from cnncourse.widgets import TrainLive\n"
        "live = TrainLive(epochs=2)\n"
        "rate = ipywidgets.FloatLogSlider(value=0.01, min=-4, max=1)\n"
        "ipywidgets.link((rate, 'value'), (live, 'lr'))\n"
        "live"
    )
    opened = {m["comm_id"]: m["data"]["state"] for m in messages if "target_name" in m}
    model, _ = kernel.run("print(live.model_id)")
    assert opened[model]["_esm"] == TrainLive.module_source() and opened[model]["lr"] == 0.01
    assert "const DIGITS = " in opened[model]["_esm"]
    text, messages = kernel.run("rate.value = 1; print(live.lr)")
    assert text == "1.0" and {"lr": 1.0} in [m["data"]["state"] for m in messages if m["comm_id"] == model]
    columns = {"step": [0, 31], "train_loss": [None, 1], "test_loss": [3, 0.5], "test_accuracy": [0.1, 0.9]}
    kernel.send(model, {"record": [columns], "what_if": {"optimizer": "Adam"}})
    text, _ = kernel.run(
        "print(live.record[0]['step'], live.what_if, live.description().count('After step 31'))"
    )
    assert text == "[0, 31] {'optimizer': 'Adam'} 1"


def test_taking_it_away_ends_the_worker(visit):
    page = visit("bare")
    page.evaluate(
        f"""async () => {{ document.querySelector("script[type='application/json']").textContent =
              document.querySelector("#fresh").textContent;
          {FAKE_MODEL % "train"}
          el.querySelector(".x-train").click();
          window.takeAway = remove;
        }}"""
    )
    page.wait_for_function(
        "document.querySelector('[data-explorer=train]').dataset.state.includes('\"step\":1')"
    )
    assert len(page.workers) == 1
    page.evaluate("takeAway()")
    page.wait_for_timeout(500)
    assert len(page.workers) == 0
    assert set(page_modules()) >= {"train.js", "digits.js"}
