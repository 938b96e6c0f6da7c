"""Pages with explorers as the site has them, a visitor who notices every complaint, and a real kernel."""

import re

import pytest
from explorer_pages import COLUMN, settle, write_site
from jupyter_client.manager import start_new_kernel

FINGER = "primaryPointerType=2,availablePointerTypes=2,primaryHoverType=1,availableHoverTypes=1"


@pytest.fixture(scope="module")
def publish(tmp_path_factory, serve):
    """publish(name=html, …) → the address of a folder with these pages, the host, the modules and the style sheet."""

    def publish(**pages):
        folder = tmp_path_factory.mktemp("site")
        write_site(folder, **pages)
        return serve(folder, prefix="course")

    return publish


@pytest.fixture(scope="module")
def finger(launch):
    """A browser whose pointer is a finger."""
    browser = launch(f"--blink-settings={FINGER}")
    yield browser
    browser.close()


@pytest.fixture
def visit(address, browser, request):
    """visit(page, …) → the page. Whatever it complains about, and any request elsewhere, fails the test."""
    contexts, complaints = [], []

    def visit(name="one", *, viewport=COLUMN, dark=False, touch=False, expected=None, **options):
        scripts = options.get("java_script_enabled", True)
        if touch:
            options |= {"has_touch": True, "is_mobile": True}
        chosen = request.getfixturevalue("finger") if touch else browser
        context = chosen.new_context(viewport=viewport, **options)
        own = (address, "data:", f"blob:{'/'.join(address.split('/')[:3])}/")
        contexts.append(context)
        page = context.new_page()

        def complain(text):
            if expected is None or not re.search(expected, text):
                complaints.append(text)

        page.on("request", lambda asked: asked.url.startswith(own) or complain(asked.url))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("console", lambda message: message.type in ("error", "warning") and complain(message.text))
        page.goto(f"{address}{name}.html")
        if scripts:
            if dark:
                page.evaluate("document.documentElement.dataset.theme = 'dark'")
            page.wait_for_selector(".is-mounted, .course-explorer-fault")
            settle(page)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def modules(address, browser):
    """A page for tests that only call what the modules declare, and change nothing in it."""
    context = browser.new_context(viewport=COLUMN)
    page = context.new_page()
    page.goto(f"{address}one.html")
    page.wait_for_selector(".is-mounted")
    yield page
    context.close()


class Kernel:
    """A real Jupyter kernel, with this test as its front end."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def run(self, code):
        """Run code → its output as text and the widget messages it sent."""
        texts, messages = [], []

        def hear(message):
            if message["msg_type"] == "stream":
                texts.append(message["content"]["text"])
            elif message["msg_type"].startswith("comm"):
                messages.append(message["content"])

        reply = self.client.execute_interactive(code, timeout=60, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply["content"].get("evalue")
        return "".join(texts).strip(), messages

    def send(self, comm, state):
        """What a front end sends when a control was moved."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)


@pytest.fixture(scope="session")
def kernel(tmp_path_factory):
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path_factory.mktemp("kernel")))
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
