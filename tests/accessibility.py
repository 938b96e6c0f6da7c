"""What axe finds on a page, asked in one way and in no more time than it needs."""

from axe_playwright_python.sync_playwright import Axe

EXTRA = {"label-content-name-mismatch": {"enabled": True}}  # a rule of axe that is not on by itself

# axe judges the contrast of each text by itself, which takes a minute on a page with thousands of colored words in its
# code. Text of one color, size and weight on the same ground has one contrast: three of each kind speak for all.
MARK_KINDS_OF_TEXT = """(root) => {
  const grounds = new Map();  // element → what lies behind it, as text
  const ground = (element) => {
    if (!element) return "";
    if (!grounds.has(element)) {
      const style = getComputedStyle(element);
      const own = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter, style.mixBlendMode];
      if (!["static", "relative"].includes(style.position)) own.push(style.position, element.className);
      const solid = /^rgb\\(/.test(own[0]) && own.slice(1).join() === "none,1,none,normal";
      grounds.set(element, own.join() + (solid ? "" : ground(element.parentElement)));
    }
    return grounds.get(element);
  };
  for (const element of document.querySelectorAll("[data-kind-of-text]")) delete element.dataset.kindOfText;
  const kinds = new Map();
  const note = (element) => {
    const { color, fontSize, fontWeight, textShadow, visibility } = getComputedStyle(element);
    const rectangle = element.getClientRects()[0];
    if (!rectangle || visibility !== "visible") return;
    const kind = [color, fontSize, fontWeight, textShadow, ground(element)].join();
    const known = kinds.get(kind) ?? [];
    if (known.length < 3) kinds.set(kind, [...known, element]);
  };
  const walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.data.trim()) note(walker.currentNode.parentElement);
  for (const control of document.querySelectorAll(`${root} :is(input, select, textarea, button)`)) note(control);
  for (const element of [...kinds.values()].flat()) element.dataset.kindOfText = "";
}"""

RUN = """async ([root, rules, contrastOnly]) => {
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-kind-of-text]" }] });
  const chosen = contrastOnly ? { runOnly: ["color-contrast"] } : { rules };
  const lean = { resultTypes: ["violations"], elementRef: false, preload: false };  // no style sheet is loaded again
  return (await axe.run(root, { ...chosen, ...lean })).violations;
}"""


def findings(page, root="html", contrast_only=False):
    """Every finding on a page at rest, as axe tells it; with `contrast_only` those that depend on the colors."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    page.evaluate(MARK_KINDS_OF_TEXT, root)
    return page.evaluate(RUN, [root, EXTRA, contrast_only])


def serious(page, root="html", contrast_only=False):
    """What keeps somebody from using the page: [(rule, what it asks for, elements)]."""
    return [
        (finding["id"], finding["help"], [node["html"][:200] for node in finding["nodes"]])
        for finding in findings(page, root, contrast_only)
        if finding["impact"] in ("serious", "critical")
    ]
