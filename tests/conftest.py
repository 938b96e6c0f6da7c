"""One thread for each worker; a browser and a web server for the tests that look at pages."""

import functools
import http.server
import os
import threading

import hypothesis
import pytest
from pages import FLAGS, Handler, find_browser

# Two workers whose libraries use two threads each take four times as long. Numerical libraries read this when they are
# loaded, which is later.
for library in ("OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# CI draws the same examples every time, so that it is red only where something changed; elsewhere they are new.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


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
