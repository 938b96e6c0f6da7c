"""What an answer of each explorer costs, where it has most to do; shared by its test and by benchmarks/explorers.py."""

import numpy as np

from cnncourse.widgets import (
    ArchitectureExplorer,
    AttentionExplorer,
    KernelExplorer,
    LeNetLive,
    OptimizerExplorer,
    ShapeExplorer,
    TrainLive,
)
from cnncourse.widgets.optimizer import OPTIMIZERS

FOUR = [{"optimizer": name, "lr": OPTIMIZERS[name][0]} for name in ("SGD", "momentum", "Adagrad", "AdamW")]

# name → (the explorer, what a reader does: move `index` on the element `root`)
CASES = {
    # 128×128, a 7×7 kernel with no zero in it
    "kernel": (
        lambda: KernelExplorer(kernel=np.full((7, 7), 0.37), padding=3),
        """const weight = root.querySelectorAll(".x-weight")[10];
           weight.value = String(index % 9 + 1);
           weight.dispatchEvent(new Event("input"));""",
    ),
    # the same with further layers, the second kernel 7×7 too
    "kernel_layers": (
        lambda: KernelExplorer(
            kernel=np.full((7, 7), 0.37), padding=3, layers=True, second_kernel=np.full((7, 7), 0.1)
        ),
        """const weight = root.querySelectorAll(".x-weight")[10];
           weight.value = String(index % 9 + 1);
           weight.dispatchEvent(new Event("input"));""",
    ),
    # the largest grid, with its counts written
    "shape": (
        lambda: ShapeExplorer(input=16, kernel=7, stride=1, padding=6, show_counts=True),
        """const slider = root.querySelectorAll(".x-sliders input")[1];
           slider.value = 5 + (index % 3);
           slider.dispatchEvent(new Event("input"));""",
    ),
    # four optimizers, 500 steps, the start moves
    "optimizer": (
        lambda: OptimizerExplorer(surface="beale", runs=FOUR, steps=500),
        """const stage = root.querySelector(".x-land .x-stage");
           stage.dispatchEvent(new KeyboardEvent("keydown", { key: index % 2 ? "ArrowLeft" : "ArrowRight" }));""",
    ),
    # every move of the pen, in circles on a blank sheet: stroke, centering, all layers
    "lenet": (
        LeNetLive,
        """const stage = root.querySelector(".x-live .x-stage");
           const box = stage.getBoundingClientRect();
           const clear = [...root.querySelectorAll("button")].find((button) => button.innerText === "Clear");
           if (index % 25 === 0) clear.click();
           stage.dispatchEvent(new PointerEvent("pointermove", {
             clientX: box.left + box.width * (0.5 + 0.3 * Math.cos(index / 4)),
             clientY: box.top + box.height * (0.5 + 0.3 * Math.sin(index / 4)), buttons: 1, bubbles: true }));""",
    ),
    # the two networks with most layers, 761 and 624, the input of one grows
    "architecture": (
        lambda: ArchitectureExplorer(model="efficientnet_b7", second="efficientnet_b6"),
        """const size = root.querySelector(".x-sizes .x-range");
           size.value = 200 + (index % 40);
           size.dispatchEvent(new Event("input"));""",
    ),
    # another picture each time: six blocks of 50 tokens, and everything is painted
    "attention": (
        AttentionExplorer,
        """root.querySelectorAll(".x-thumb")[index % 12].click();""",
    ),
    # another start of two networks, which are not yet trained
    "train": (
        lambda: TrainLive(what_if={"batch_norm": True}),
        """const seed = root.querySelector(".x-knobs .x-number");
           seed.value = String(index + 1);
           seed.dispatchEvent(new Event("input"));""",
    ),
}

# An answer has been painted after two frames; its numbers are there at once.
ANSWER = """async ([move, first, count, painted]) => {
  const root = document.querySelector(".explorer");
  const act = new Function("root", "index", move);
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  for (let index = first; index < first + count; index += 1) {
    act(root, index);
    await (painted ? frame().then(frame) : null);
  }
}"""

MULTIPLY_ADDS = 10_000_000
PLAIN = """(length) => {
  const numbers = Float64Array.from({ length: 1000 }, (_, index) => index / 1000);
  window.multiplyAndAdd ??= () => {
    let sum = 0;
    for (let index = 0; index < 1000; index += 1) sum += numbers[index] * 0.5;
    return sum;
  };
  let sum = 0;
  for (let round = 0; round < length / 1000; round += 1) sum += window.multiplyAndAdd();
  return sum;
}"""


# Of an answer with all that it causes: in scripts, in the styles of elements, in their places.
PARTS = {
    "all": "TaskDuration",
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
}


class MainThread:
    """The processor time of a page's main thread. What else runs on the machine does not count in it."""

    def __init__(self, page):
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self):
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        metrics = {metric["name"]: metric["value"] for metric in metrics}
        return np.array([1000 * metrics[name] for name in PARTS.values()])

    def spent(self, script, argument):
        """Milliseconds for a script and what it causes."""
        before = self.now()
        self.page.evaluate(script, argument)
        return self.now() - before


def measure(page, name, rounds=5, count=5):
    """Milliseconds of processor time: ({part: of one answer, "numbers": without painting}, of a million multiply-adds).

    Answers and loops take turns; the first turn warms up.
    """
    thread = MainThread(page)
    answers, numbers, loops = [], [], []
    for turn in range(rounds + 1):
        answers.append(thread.spent(ANSWER, [CASES[name][1], count * turn, count, True]) / count)
        numbers.append(
            thread.spent(ANSWER, [CASES[name][1], count * turn, 4 * count, False])[0] / (4 * count)
        )
        loops.append(thread.spent(PLAIN, MULTIPLY_ADDS)[0] / (MULTIPLY_ADDS / 1e6))
    answer = dict(zip(PARTS, np.median(answers[1:], axis=0).tolist(), strict=True))
    return answer | {"numbers": float(np.median(numbers[1:]))}, float(np.median(loops[1:]))
