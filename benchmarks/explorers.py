"""What an answer of each explorer costs: milliseconds of processor time on the page's main thread.

    python benchmarks/explorers.py [--rounds 5]

A frame is 16 ms. The last column is the same in million multiply-adds of a plain loop, which a test limits.
"""

import argparse
import functools
import http.server
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/widgets")]

from answers import CASES, PARTS, measure  # noqa: E402
from explorer_pages import COLUMN, write_site  # noqa: E402
from pages import FLAGS, Handler, find_browser  # noqa: E402


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    path = find_browser() or sys.exit("no Chromium here: `playwright install chromium` gets one")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_site(Path(folder), **{name: explorer().page_html() for name, (explorer, _) in CASES.items()})
        handler = functools.partial(Handler, directory=folder, prefix="/")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        print(f"Chromium {browser.version}; milliseconds of processor time")
        print(f"{'':13}", *(f"{part:>8}" for part in [*PARTS, "numbers"]), "  multiply-adds")
        for name in CASES:
            page = browser.new_page(viewport=COLUMN)
            page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html")
            page.wait_for_selector(".is-mounted")
            answer, million = measure(page, name, options.rounds)
            parts = " ".join(f"{value:8.1f}" for value in answer.values())
            print(f"{name:13} {parts} {answer['all'] / million:11.0f} M")
            page.close()
        browser.close()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
