"""A browser and a web server, for tests and benchmarks that look at pages."""

import http.server
import os
import shutil

# Debian's headless part alone comes first: it is a third of the size. (Its chromium-shell knows no separate contexts.)
BROWSERS = [
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
]  # fmt: skip
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

    for name in filter(None, [os.environ.get("CHROMIUM"), *BROWSERS]):
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


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
