"""What the tests of explorers in pages share."""

from axe_playwright_python.sync_playwright import Axe

PHONE = {"width": 390, "height": 844}
COLUMN = {"width": 736, "height": 1000}  # the width of the book's text

PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorers</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="explorer.css">
<style>body {{ margin: 16px; background: #fff; color: #1f2933 }}
html[data-theme="dark"] body {{ background: #14191e; color: #dfe5ea }}</style></head>
<body><main><h1>Explorers</h1>{explorers}</main><script type="module" src="explorer-host.js"></script></body></html>"""


def settle(page):
    """Wait until what was asked for has been painted."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def serious_findings(page):
    """What axe finds on the page that keeps somebody from using it: (rule, elements)."""
    return [
        (finding["id"], [node["html"] for node in finding["nodes"]])
        for finding in Axe().run(page).response["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
