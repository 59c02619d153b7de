"""A local HTTP server of model archives in the layout of the original code."""

import base64
import contextlib
import dataclasses
import hashlib
import http.server
import io
import re
import tarfile
import threading

from albert_tf import presets


def archive(folder, top="albert_base"):
    """Returns the bytes of a .tar.gz with the files of a folder below `top`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{top}/{path.name}")
    return buffer.getvalue()


@dataclasses.dataclass
class ReleaseServer:
    """A server that is running.

    Attributes:
      url: its address.
      files: contents by path.
      headers: more headers of each answer.
      starts: the first byte of each answered request.
      limit: the number of bytes after which the next answer breaks off; None for all.
      has_ranges: whether the server honours Range.
    """

    url: str = ""
    files: dict = dataclasses.field(default_factory=dict)
    headers: dict = dataclasses.field(default_factory=dict)
    starts: list = dataclasses.field(default_factory=list)
    limit: int | None = None
    has_ranges: bool = True

    def add(self, name, content):
        """Serves bytes as the archive of a preset, with the MD5 that Google's server sends."""
        self.files[f"/{name}.tar.gz"] = content
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        self.headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={md5}"


@contextlib.contextmanager
def serving(monkeypatch, cache):
    """Runs a server that all presets are downloaded from, to a cache folder."""
    server = ReleaseServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = server.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and server.has_ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            server.starts.append(start)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            limit, server.limit = server.limit, None
            self.wfile.write(content[start:][:limit])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, args=[0.01], daemon=True).start()
        server.url = f"http://127.0.0.1:{http_server.server_port}"
        moved = {
            name: dataclasses.replace(preset, source=f"{server.url}/{name}.tar.gz")
            for name, preset in presets.PRESETS.items()
        }
        monkeypatch.setattr(presets, "PRESETS", moved)
        monkeypatch.setenv("ALBERT_TF_CACHE", str(cache))
        yield server
        http_server.shutdown()
