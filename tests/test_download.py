"""Downloads from a server on this machine. What `data.load` makes of them: tests/data/test_official.py."""

import hashlib
import http.server
import threading

import pytest

from cnncourse.download import fetch

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def url():
    """The address of a server that sends the content for every name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/file"
        server.shutdown()
        thread.join()


def test_a_file_arrives_whole_with_a_bar(url, tmp_path, capfd):
    fetch([url], MD5, tmp_path / "new" / "file.bin")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.bin"]
    assert (tmp_path / "new/file.bin").read_bytes() == CONTENT
    assert "100%" in capfd.readouterr().err


def test_addresses_are_tried_in_turn_until_one_is_right(url, tmp_path):
    fetch(["http://127.0.0.1:9/file", url, "http://127.0.0.1:9/never"], MD5, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_another_md5_leaves_nothing(url, tmp_path):
    with pytest.raises(
        RuntimeError,
        match=r"file\.bin could not be downloaded \(.*: the file arrived truncated or altered\): ",
    ):
        fetch([url], "0" * 32, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_every_address_has_its_reason_in_one_sentence(url, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        fetch([url, "http://127.0.0.1:9/file"], "0" * 32, tmp_path / "file.bin")
    message = str(caught.value)
    assert f"({url}: the file arrived truncated or altered; http://127.0.0.1:9/file: [Errno" in message
    assert "check the network" in message and str(tmp_path / "file.bin") in message and "\n" not in message


def test_a_place_that_cannot_be_written_is_named(url, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RuntimeError, match=r"file.b.bin cannot be written \(.*\): choose another place"):
        fetch([url], MD5, tmp_path / "file" / "b.bin")
