"""A browser and a web server for the tests that look at pages."""

import functools
import http.server
import os
import shutil
import threading

import hypothesis
import pytest

# CI draws the same examples every time, so that it is red only where something changed; elsewhere they are new.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser():
    """$CHROMIUM, a browser on the path, or the one that `playwright install chromium` has put in place; else None."""
    from playwright.sync_api import sync_playwright

    for name in filter(None, [os.environ.get("CHROMIUM"), "/usr/bin/chromium", *BROWSERS]):
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


@pytest.fixture(scope="session")
def launch():
    """launch(*flags) → a headless Chromium, closed when the tests are over."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        pytest.skip("no Chromium here: `playwright install chromium` gets one, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browsers = []

        def launch(*flags):
            browsers.append(playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags]))
            return browsers[-1]

        yield launch
        for browser in browsers:
            browser.close()


@pytest.fixture(scope="session")
def browser(launch):
    """One headless Chromium for all tests."""
    return launch()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder below a prefix, silently."""

    def __init__(self, *arguments, prefix, **options):
        self.prefix = prefix
        super().__init__(*arguments, **options)

    def translate_path(self, path):
        if not path.startswith(self.prefix):
            return os.path.join(self.directory, "not", "below", "the", "prefix")
        return super().translate_path("/" + path.removeprefix(self.prefix))

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def serve():
    """serve(folder, prefix="") → the address at which the folder is served on this machine, ending in a slash."""
    servers = []

    def serve(folder, prefix=""):
        path = f"/{prefix}/" if prefix else "/"
        handler = functools.partial(Handler, directory=str(folder), prefix=path)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
