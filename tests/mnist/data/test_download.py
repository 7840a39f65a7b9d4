"""The download, against servers on the loopback interface that behave well, badly, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from distillkit.errors import DataUnavailableError
from distillkit.mnist.data import download, idx

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
StartServer = Callable[[Answer], tuple[str, list[str]]]


def idx_bytes(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback interface is reached directly, also where the environment names a proxy."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small files by name, which MNIST's own are exchanged for."""
    rng = np.random.default_rng(0)
    shapes = [(12, 28, 28), (12,), (5, 28, 28), (5,)]
    files = {
        file.name: idx_bytes(rng.integers(0, 10, shape))
        for file, shape in zip(idx.MNIST_FILES, shapes, strict=True)
    }
    small = tuple(idx.MnistFile(n, len(b), hashlib.md5(b).hexdigest()) for n, b in files.items())
    monkeypatch.setattr(idx, "MNIST_FILES", small)
    return files


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts servers: takes what answers a GET; gives the address and the list of the paths asked for."""
    servers = []

    def start(answer: Answer) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """A client that has gone away is what some of these tests are about."""

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/mnist/", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    """Answer with a body, and with a length that need not be its own."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def serve(contents: dict[str, bytes]) -> Answer:
    """A server that has all the files."""
    return lambda handler: send(handler, gzip.compress(contents[Path(handler.path).stem]))


def files_below(folder: Path) -> list[str]:
    """Every file and link, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_a_download_gives_the_files_in_torchvisions_layout(contents, start_server, tmp_path):
    """The four files lie unpacked in MNIST/raw, nothing lies beside them, and torchvision reads them."""
    from torchvision.datasets import MNIST

    mirror, asked = start_server(serve(contents))
    download.download_mnist(tmp_path, mirrors=[mirror])
    assert files_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in contents)
    assert {name: (tmp_path / "MNIST/raw" / name).read_bytes() for name in contents} == contents
    assert asked == [f"/mnist/{name}.gz" for name in contents]
    np.testing.assert_array_equal(MNIST(tmp_path).data.numpy(), idx.read_folder(tmp_path).train_images)


def test_progress_is_told_in_bytes_up_to_the_length(contents, start_server, tmp_path):
    """The last call for each file says that all of its packed bytes are there."""
    calls = []
    mirror, _ = start_server(serve(contents))
    download.download_mnist(tmp_path, mirrors=[mirror], progress=lambda *call: calls.append(call))
    last = {name: (done, total) for name, done, total in calls}
    assert last == {n: (len(gzip.compress(b)),) * 2 for n, b in contents.items()}


def test_what_is_there_and_intact_is_not_asked_for_again(contents, start_server, tmp_path):
    """Only the missing and the damaged files are downloaded."""
    mirror, asked = start_server(serve(contents))
    download.download_mnist(tmp_path, mirrors=[mirror])
    first, second, *_ = (tmp_path / "MNIST/raw" / name for name in contents)
    first.unlink()
    second.write_bytes(b"damaged")
    asked.clear()
    download.download_mnist(tmp_path, mirrors=[mirror])
    assert asked == [f"/mnist/{first.name}.gz", f"/mnist/{second.name}.gz"]
    assert second.read_bytes() == contents[second.name]
    asked.clear()
    download.download_mnist(tmp_path, mirrors=[mirror])
    assert asked == []


def test_after_a_404_the_second_mirror_is_asked_and_the_first_no_more(contents, start_server, tmp_path):
    """A mirror that failed once does not cost its time-out four times."""
    bad, asked_bad = start_server(lambda handler: handler.send_error(404))
    good, asked_good = start_server(serve(contents))
    download.download_mnist(tmp_path, mirrors=[bad, good])
    assert len(asked_bad) == 1
    assert len(asked_good) == 4
    assert idx.read_folder(tmp_path).test_labels.shape == (5,)


ALTERED = gzip.compress(bytes(10_000))
BAD_ANSWERS = {
    "altered": (lambda handler: send(handler, ALTERED), "bytes, but got more"),
    "web page": (lambda handler: send(handler, b"<html>Sign in</html>"), "expected gzip"),
    "truncated": (lambda handler: send(handler, ALTERED[:20], len(ALTERED)), "but got 20"),
    "gzip cut": (lambda handler: send(handler, ALTERED[:20]), "do not unpack"),
    "error": (lambda handler: handler.send_error(500), "500"),
    "endless": (lambda handler: send(handler, bytes(2**20)), "but got more"),
    "no length": (lambda handler: send(handler, b"", -1), "do not unpack|expected"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_bad_answer_is_refused_and_leaves_nothing(case, contents, start_server, tmp_path):
    """Whatever a mirror sends instead, the error names address and reason; the cache stays empty."""
    answer, reason = BAD_ANSWERS[case]
    mirror, _ = start_server(answer)
    with pytest.raises(DataUnavailableError, match=reason) as caught:
        download.download_mnist(tmp_path, mirrors=[mirror], timeout=2)
    assert f"{mirror}train-images-idx3-ubyte.gz" in str(caught.value)
    assert files_below(tmp_path) == []


def test_one_altered_byte_is_noticed(contents, start_server, tmp_path):
    """A file of the right length with a wrong MD5 is refused; both digests are named."""
    altered = {name: body[:-1] + bytes([body[-1] ^ 1]) for name, body in contents.items()}
    mirror, _ = start_server(serve(altered))
    with pytest.raises(DataUnavailableError, match=r"expected the MD5 [0-9a-f]{32}, but got [0-9a-f]{32}"):
        download.download_mnist(tmp_path, mirrors=[mirror])
    assert files_below(tmp_path) == []


def test_a_failure_half_way_leaves_whole_files_only(contents, start_server, tmp_path):
    """What came before the failure is kept, whole; the next download goes on from there."""
    names = list(contents)

    def answer(handler):
        if names[2] in handler.path:
            send(handler, b"\x1f\x8b", 1000)
        else:
            serve(contents)(handler)

    bad, _ = start_server(answer)
    with pytest.raises(DataUnavailableError, match=names[2]):
        download.download_mnist(tmp_path, mirrors=[bad])
    assert files_below(tmp_path) == sorted(f"MNIST/raw/{name}" for name in names[:2])
    good, asked = start_server(serve(contents))
    download.download_mnist(tmp_path, mirrors=[good])
    assert len(asked) == 2


def test_an_interruption_leaves_nothing_half_written(contents, start_server, tmp_path):
    """Control-C during a download passes through and leaves no file."""

    def interrupt(*_):
        raise KeyboardInterrupt

    mirror, _ = start_server(serve(contents))
    with pytest.raises(KeyboardInterrupt):
        download.download_mnist(tmp_path, mirrors=[mirror], progress=interrupt)
    assert files_below(tmp_path) == []


def test_a_server_that_never_answers_is_given_up(contents, start_server, tmp_path):
    """The time-out ends the wait, and a second mirror is asked."""
    ended = threading.Event()
    silent, _ = start_server(lambda _: ended.wait(20))
    good, _ = start_server(serve(contents))
    started = time.monotonic()
    download.download_mnist(tmp_path, mirrors=[silent, good], timeout=0.3)
    assert time.monotonic() - started < 5
    with pytest.raises(DataUnavailableError, match="timed out"):
        download.download_mnist(tmp_path / "other", mirrors=[silent], timeout=0.3)
    ended.set()


def test_a_server_that_drips_is_given_up(contents, start_server, tmp_path):
    """A byte now and then does not keep a download alive."""
    ended = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        while not ended.wait(0.05):
            handler.wfile.write(b"\x1f")

    mirror, _ = start_server(drip)
    with pytest.raises(DataUnavailableError, match=r"only \d+ bytes came in"):
        download.download_mnist(tmp_path, mirrors=[mirror], timeout=0.4)
    ended.set()
    assert files_below(tmp_path) == []


def test_without_a_network_the_error_says_so(contents, tmp_path):
    """A refused connection is one sentence that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DataUnavailableError, match=rf"could not be downloaded \(http://127\.0\.0\.1:{port}/"):
        download.download_mnist(tmp_path, mirrors=[f"http://127.0.0.1:{port}"])
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("mirrors", "reason"), [([], "no mirror was named"), (["not an address"], "unknown url")]
)
def test_a_mirror_that_is_none_is_an_error(mirrors, reason, contents, tmp_path):
    """No mirror, or one that is not an address, is said in words."""
    with pytest.raises(DataUnavailableError, match=reason):
        download.download_mnist(tmp_path, mirrors=mirrors)


def test_a_cache_that_cannot_be_written_is_found_before_the_download(contents, start_server, tmp_path):
    """Nothing is downloaded where there is nowhere to put it; the error names the way out."""
    mirror, asked = start_server(serve(contents))
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(DataUnavailableError, match="DISTILLKIT_CACHE_DIR"):
        download.download_mnist(tmp_path / "cache", mirrors=[mirror])
    assert asked == []


def test_a_link_out_of_the_cache_is_not_written_through(contents, start_server, tmp_path):
    """A folder that the cache only links to belongs to somebody else: it is read, never completed."""
    mirror, asked = start_server(serve(contents))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/MNIST").symlink_to(tmp_path / "theirs")
    with pytest.raises(DataUnavailableError, match="link to a folder elsewhere"):
        download.download_mnist(tmp_path / "cache", mirrors=[mirror])
    assert asked == []
    assert list((tmp_path / "theirs").iterdir()) == []


def test_torchvision_knows_the_same_files():
    """The mirrors of torchvision hold files of the names that are asked for here."""
    from torchvision.datasets import MNIST

    assert [name for name, _ in MNIST.resources] == [f"{file.name}.gz" for file in idx.MNIST_FILES]
    assert download.torchvision_mirrors() == MNIST.mirrors


def test_a_torchvision_that_cannot_be_imported_is_one_sentence(monkeypatch, tmp_path):
    """A torchvision that was built for another torch stops the download, not the program."""
    monkeypatch.setitem(__import__("sys").modules, "torchvision.datasets", None)
    with pytest.raises(DataUnavailableError, match="install torch and torchvision together"):
        download.download_mnist(tmp_path)
