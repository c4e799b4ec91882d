# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium, unpacked beside the system, driven by its DevTools protocol over two pipes."""

import base64
import json
import os
import select
import subprocess
import sys

from .debs import Apt, DebError, cache_dir, locked
from .process import Deadline, Failure, Skip

PACKAGE = "chromium-headless-shell"
LIBC = {"libc6", "libc-bin", "libgcc-s1"}  # those of the system: its own loader starts the program

MOVE_PIPES = """import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 100) for fd in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])"""

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


def _unpacked():
    root = cache_dir() / "chromium"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "lock"):
        if not (root / "complete").exists():
            apt = Apt("amd64", root)
            apt.unpack([name for name in apt.closure(PACKAGE) if name not in LIBC], root / "files")
            (root / "complete").touch()
    return root / "files"


class Browser:
    """One tab, with all that the page logs and asks for: logged, requested."""

    def __init__(self, workdir):
        try:
            files = _unpacked()
        except DebError as e:
            raise Skip(f"{PACKAGE} cannot be fetched: {e}") from e
        (workdir / "fonts.conf").write_text(
            FONTS.format(fonts=files / "usr/share/fonts", cache=workdir / "fonts"), "utf-8")
        libraries = [*files.glob("usr/lib/*-linux-gnu"), *files.glob("lib/*-linux-gnu"),
                     *files.glob("usr/lib/*-linux-gnu/pulseaudio")]
        to_it, self.out = os.pipe()
        self.into, from_it = os.pipe()
        with open(workdir / "chromium.log", "wb") as log:
            # it has its commands at descriptor 3 and answers at 4
            self.child = subprocess.Popen(
                [sys.executable, "-c", MOVE_PIPES, str(to_it), str(from_it),
                 files / "usr/lib/chromium/chromium-headless-shell", "--headless", "--no-sandbox",
                 "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--no-first-run", "--disable-extensions", "--disable-background-networking",
                 f"--user-data-dir={workdir / 'chromium'}", "--remote-debugging-pipe", "about:blank"],
                pass_fds=(to_it, from_it), stdout=log, stderr=log, cwd=workdir,
                env=os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries)),
                                  "FONTCONFIG_FILE": str(workdir / "fonts.conf"),
                                  "HOME": str(workdir)})
        os.close(to_it)
        os.close(from_it)
        self.left, self.number, self.session = b"", 0, None
        self.logged, self.requested = [], []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _take(self, seconds):
        """The next message, or None."""
        while b"\0" not in self.left:
            if not select.select([self.into], [], [], seconds)[0]:
                return None
            data = os.read(self.into, 1 << 20)
            if not data:
                raise Failure("the browser has ended")
            self.left += data
        one, _, self.left = self.left.partition(b"\0")
        return json.loads(one)

    def _note(self, event):
        what, said = event.get("method"), event.get("params", {})
        if what == "Network.requestWillBeSent":
            self.requested.append(said["request"]["url"])
        elif what == "Log.entryAdded":
            self.logged.append(f"{said['entry']['level']}: {said['entry']['text']} "
                               f"{said['entry'].get('url', '')}")
        elif what == "Runtime.consoleAPICalled":
            self.logged.append(f"{said['type']}: {said['args']}")
        elif what == "Runtime.exceptionThrown":
            self.logged.append(f"exception: {said['exceptionDetails']}")

    def call(self, method, **params):
        """The result of a command."""
        self.number += 1
        text = {"id": self.number, "method": method, "params": params}
        if self.session:
            text["sessionId"] = self.session
        os.write(self.out, json.dumps(text).encode() + b"\0")
        deadline = Deadline(120)
        while not deadline.passed():
            message = self._take(1)
            if message is None:
                continue
            if message.get("id") != self.number:
                self._note(message)
            elif "error" in message:
                raise Failure(f"{method}: {message['error']}")
            else:
                return message["result"]
        raise Failure(f"the browser does not answer {method}")

    def open(self, url):
        """Show a page; its end of loading is not waited for."""
        said = self.call("Page.navigate", url=url)
        if said.get("errorText"):
            raise Failure(f"{url}: {said['errorText']}")

    def value(self, expression):
        """The value of a JavaScript expression in the page."""
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in said:
            raise Failure(f"{expression}: {said['exceptionDetails']}")
        return said["result"].get("value")

    def resize(self, width, height, dark=False):
        """The size of the window, and the colours that its user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, path):
        """The window as a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    # --- as one of a scenario's processes

    name = "chromium"

    def alive(self):
        return self.child.poll() is None

    def log_tail(self):
        return f"exit status {self.child.poll()}"

    def close(self):
        """End it."""
        os.close(self.out)
        os.close(self.into)
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
