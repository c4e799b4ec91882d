# SPDX-License-Identifier: BSD-3-Clause
"""The page of the metrics listener in a browser, and the JSON behind it."""

import contextlib
import http.client
import json
import os
import pathlib
import socket

from harness.browser import Browser
from harness.control import Control
from harness.peers import EthdevPort, Port
from harness.process import Failure, Skip, wait_for

from .base import Scenario, check

HOSTILE = "net_null<img src=x onerror=alert(1)>"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


def free_port():
    """A TCP port of this host that is free."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(port, path, method="GET", headers=None):
    """(status, headers, body) of an answer of the listener at that TCP port."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(client):
        client.request(method, path, headers=headers or {})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read().decode()


class Page(Scenario):
    """Two null devices, one with a name that is HTML, and two vhost ports without front-ends."""

    cpus, seconds = 1, 30

    def setup(self):
        self.port = free_port()
        self.backend([EthdevPort("net_null", size=64), EthdevPort(HOSTILE, size=64),
                      Port(self.path("<b>vhost")), Port(self.path("other"))],
                     extra=["--metrics", f"127.0.0.1:{self.port}", "--control", self.path("control")])

    def url(self, path=""):
        """An address of the listener."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def get(self, path, method="GET", headers=None):
        """(status, headers, body) of an answer."""
        return fetch(self.port, path, method, headers)

    @check("page.json")
    def json(self):
        """/json/WORDS is what "show WORDS json" prints, byte by byte."""
        self.switch.command("stop")
        for number in range(300):  # several parts
            self.switch.command(f"fdb add 02:00:00:00:{number >> 8:02x}:{number & 255:02x} 0 {number % 4}")
        control = Control(self.path("control"))

        def ask(words):
            done, said = control.ask(words)
            expect(done, f"{words}: {said}")
            return said

        parts = ["switch", "fdb", "drops all", "drops 1", "port 2 negotiation", "port all why"]
        parts += [f"port {what} {which}" for what in ("info", "stats", "summary", "xstats")
                  for which in ("all", 3)]
        for words in parts:
            said = ask(f"show {words} json")
            status, headers, body = self.get(f"/json/{words.replace(' ', '/')}")
            expect(status == 200 and headers["Content-Type"] == "application/json", f"{words}: {headers}")
            expect(body == said, f"{words}: {body!r} instead of {said!r}")
            json.loads(body)
        expect(len(json.loads(self.get("/json/fdb")[2])["addresses"]) == 300, "addresses")
        expect(json.loads(self.get("/json/worker")[2])[0]["lcore"] > 0, "workers")
        expect(self.get("/text/port/2/negotiation")[2] == ask("show port 2 negotiation"),
               "negotiation")
        self.switch.command("start")

    @check("page.http")
    def http(self):
        """Browsers get the page, scrapers metrics; no other site gets an answer."""
        for path, accept, kind in (("/", BROWSER["Accept"], "text/html"), ("/", "text/html", "text/html"),
                                   ("/", "*/*", "application/openmetrics-text"),
                                   ("/", "text/plain", "text/plain"),
                                   ("/", "application/openmetrics-text,text/plain;q=0.5,*/*;q=0.1",
                                    "application/openmetrics-text"),
                                   ("/metrics", BROWSER["Accept"], "application/openmetrics-text"),
                                   ("/page.js", "*/*", "text/javascript"), ("/page.css", "*/*", "text/css"),
                                   ("/icon.svg", "image/*", "image/svg+xml")):
            for method in ("GET", "HEAD"):
                status, headers, body = self.get(path, method, {"Accept": accept})
                expect(status == 200 and headers["Content-Type"].startswith(kind),
                       f"{path} {accept}: {status} {headers}")
                expect(bool(body) == (method == "GET"), f"{method} {path}: {body!r}")
                expect(headers["Content-Security-Policy"].startswith(POLICY), f"{path}: {headers}")
                expect(headers["X-Content-Type-Options"] == "nosniff", f"{path}: {headers}")
                expect(not any(name.startswith("Access-Control") for name in headers), f"{headers}")
        for path in ("/json/", "/json/port/info/4", "/json/port/info/allx", "/json/port/info/",
                     "/json/port/info/all/", "/json/port/4294967296/why", "/json/config", "/json/port",
                     "/json/port/info/-1", "/json/port/info/*", "/json/switch/", "/text/port/9/negotiation",
                     "/text/port/all/negotiation", "/text/port/0/", "/page.j", "/index.html"):
            expect(self.get(path)[0] == 404, f"{path}: {self.get(path)}")
        for path in ("/", "/json/switch", "/page.js", "/text/port/0/negotiation", "/json/port/all/why"):
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                expect(self.get(path, method)[0] == 405, f"{method} {path}")
        for host, status in (("localhost", 200), ("LocalHost:80", 200), ("127.0.0.1", 200),
                             (f"127.0.0.1:{self.port}", 200), ("[::1]:99", 200), ("10.1.2.3", 200),
                             ("evil.example", 403), ("127.0.0.1.evil.example", 403),
                             ("localhost.evil.example:80", 403), ("[::1].evil.example", 403),
                             ("[evil]", 403), ("", 403), ("1" * 300, 403)):
            for path in ("/", "/metrics", "/json/switch", "/page.js"):
                got = self.get(path, headers={"Host": host})[0]
                expect(got == status, f"host {host!r}, {path}: {got}")

    def browse(self, width, dark=False):
        """The page in a browser, with all it shows."""
        browser = self.own(Browser(self.workdir))
        browser.resize(width, 900, dark)
        browser.open(self.url())
        wait_for("rates", lambda: "pps" in (self.text(browser, "ports") or "") and browser.value(
            "state.looks") > 2, 120)
        return browser

    @staticmethod
    def text(browser, where):
        """A part as a reader sees it."""
        return browser.value(f"document.getElementById('{where}')?.innerText")

    @check("page.browser")
    def browser(self):
        """The page shows what there is, names are text to it, and it asks no other host."""
        browser = self.browse(1200)
        shown = self.text(browser, "ports")
        for text in ("net_null0", f"{HOSTILE}1", "net_vhost2", "no front-end is connected to",
                     "<b>vhost.sock", "software"):
            expect(text in shown, f"{text!r} is not in {shown!r}")
        expect(browser.value("document.querySelectorAll('img, b').length") == 0, "a name is HTML")
        expect(browser.value("document.querySelectorAll('#ports svg path').length") == 8, "sparklines")
        expect("rx_bad_source" in self.text(browser, "drops"), "drops")
        expect("0/0 1/0" in self.text(browser, "workers"), "queues of the worker")
        expect("Domain 0" in self.text(browser, "talk"), "domains")
        browser.value("document.querySelector('#ports tr[data-port=\"2\"] button').click()")
        wait_for("negotiation", lambda: "VIRTIO_NET_F_CSUM" in (self.text(browser, "one-text") or ""), 30)
        browser.value("const f = document.getElementById('filter'); f.value = 'VHOST';"
                      "f.dispatchEvent(new Event('input'))")
        expect("net_null0" not in self.text(browser, "ports"), "the filter lets all through")
        expect(not browser.logged, f"on the console: {browser.logged}")
        others = [url for url in browser.requested if not url.startswith(self.url())]
        expect(browser.requested and not others, f"asked elsewhere: {others}")
        picture = os.environ.get("VQS_PAGE_PICTURE")
        if picture:
            browser.value("f.value = ''; scrollTo(0, 0)")
            browser.resize(1000, 640)
            wait_for("all ports", lambda: "net_null0" in self.text(browser, "ports"), 30)
            browser.picture(pathlib.Path(picture))
        self.disown(browser)

    @check("page.narrow_{}", ["light", "dark"])
    def narrow(self, colours):
        """320 pixels are enough, and text stands out from its ground."""
        browser = self.browse(320, colours == "dark")
        expect(browser.value("document.documentElement.scrollWidth") <= 320, "wider than the screen")
        for part in ("body", "#ports button", "#ports .good", "#ports .bad", ".note", "footer a"):
            ratio = browser.value(f"""(() => {{
                const light = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
                    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
                const a = light(getComputedStyle(document.querySelector("{part}")).color);
                const b = light(getComputedStyle(document.body).backgroundColor);
                return Math.max(a, b) / Math.min(a, b); }})()""")
            expect(ratio >= 4.5, f"contrast of {part}: {ratio}")
        unnamed = browser.value("""[...document.querySelectorAll('input, button, meter')].filter((e) =>
            !e.textContent && !e.getAttribute('aria-label') && !(e.labels && e.labels.length)).length""")
        expect(unnamed == 0, f"{unnamed} elements have no name")
        expect(not browser.logged, f"on the console: {browser.logged}")
        self.disown(browser)

    @check("page.gone")
    def gone(self):
        """The page says that the switch does not answer, and goes on when it does again."""
        browser = self.browse(800)
        browser.call("Network.emulateNetworkConditions", offline=True, latency=0,
                     downloadThroughput=-1, uploadThroughput=-1)
        wait_for("a complaint", lambda: "does not answer" in (self.text(browser, "trouble") or ""), 60)
        browser.call("Network.emulateNetworkConditions", offline=False, latency=0,
                     downloadThroughput=-1, uploadThroughput=-1)
        wait_for("an answer", lambda: browser.value("document.getElementById('trouble').hidden"), 60)
        self.disown(browser)

    @check("page.off")
    def off(self):
        """A switch that was not asked to listens nowhere."""
        self.disown(self.switch)
        self.backend([EthdevPort("net_null", size=64)])
        tables = pathlib.Path(f"/proc/{self.switch.child.pid}/net")
        if not tables.exists():
            raise Skip("needs /proc/PID/net")
        inodes = {os.readlink(fd)[8:-1] for fd in
                  pathlib.Path(f"/proc/{self.switch.child.pid}/fd").iterdir()
                  if os.readlink(fd).startswith("socket:[")}
        listening = [line for table in ("tcp", "tcp6")
                     for line in (tables / table).read_text("ascii").splitlines()[1:]
                     if line.split()[3] == "0A" and line.split()[9] in inodes]
        expect(not listening, f"listens: {listening}")
        self.spoiled = True
