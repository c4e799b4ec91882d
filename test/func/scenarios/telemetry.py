# SPDX-License-Identifier: BSD-3-Clause
"""Sources of monitoring: rte_telemetry endpoints, OpenMetrics text, readiness, the dashboard."""

import contextlib
import json
import os
import pathlib
import re
import socket

from harness.peers import EthdevPort, Port
from harness.process import Deadline, Failure, Skip, wait_for

from .base import Scenario, check

DASHBOARD = pathlib.Path(__file__).parents[3] / "config" / "grafana.json"

CLIENTS = 16  # of the metrics
SO_PASSRIGHTS = 83


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


def unchunk(body):
    """The body of an answer that came in chunks."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[:int(size, 16)], body[int(size, 16) + 2:]
    return whole


def runtime_dir():
    """The folder of EAL's sockets."""
    if os.geteuid() == 0:
        return pathlib.Path("/var/run/dpdk")
    return pathlib.Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / "dpdk"


class Client:
    """A client of rte_telemetry, as dpdk-telemetry.py is one."""

    def __init__(self, prefix):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        self.socket.connect(str(runtime_dir() / prefix / "dpdk_telemetry.v2"))
        self.max_len = json.loads(self.socket.recv(1024))["max_output_len"]

    def ask(self, path, *params):
        """The answer's value."""
        self.socket.send(",".join([path, *map(str, params)]).encode())
        return json.loads(self.socket.recv(self.max_len))[path]


class Telemetry(Scenario):
    """Two null devices, whose frames are all dropped for their source address, and a vhost port."""

    cpus, seconds = 0.1, 15

    def setup(self):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.path("notify")))
        self.manager.settimeout(30)
        os.environ["NOTIFY_SOCKET"] = str(self.path("notify"))
        try:
            self.backend([EthdevPort("net_null", size=64), EthdevPort("net_null", size=64),
                          Port(self.path("vhost"))], telemetry=True,
                         extra=["--metrics", f"unix:{self.path('metrics')}"])
        finally:
            del os.environ["NOTIFY_SOCKET"]

    def close(self):
        super().close()
        self.manager.close()

    @check("telemetry.endpoints")
    def endpoints(self):
        """Every endpoint answers, wrong parameters are refused."""
        client = Client(self.switch.prefix)
        expect(client.ask("/vqswitch/info")["ports"] == 3, "not three ports")
        expect(client.ask("/vqswitch/ports") == [0, 1, 2], "ids of the ports")
        expect(client.ask("/vqswitch/ports", 1) == [1, 2], "ids of the ports from 1")
        port = client.ask("/vqswitch/port", 0)
        expect(port["name"] == "net_null0" and port["kind"] == "ethdev", f"port 0: {port}")
        expect(client.ask("/vqswitch/port", 2)["vhost"]["connected"] == 0, "vhost has a peer")
        wait_for("frames", lambda: client.ask("/vqswitch/port", 0)["rx"]["frames"] > 0)
        queue = client.ask("/vqswitch/queue", 0, "rx", 0)
        expect(queue["drops"]["rx_bad_source"] > 0, f"queue: {queue}")
        expect(client.ask("/vqswitch/workers") == [0], "workers")
        expect(sorted(client.ask("/vqswitch/worker", 0)["queues"]) == ["0/0", "1/0"],
               "queues of the worker")
        expect(client.ask("/vqswitch/fdb")["entries"] == 0, "addresses")
        for wrong in (["port"], ["port", 3], ["port", "x"], ["port", -1], ["queue", 0, "rx", 1],
                      ["queue", 0], ["queue", 0, "up", 0], ["worker", 1], ["ports", "0x"]):
            answer = client.ask(f"/vqswitch/{wrong[0]}", *wrong[1:])
            expect(answer is None, f"{wrong} is answered: {answer}")

    def request(self, text):
        """(head, body) of the answer to an HTTP request."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(30)
            s.connect(str(self.path("metrics")))
            s.sendall(text)
            got = b""
            with contextlib.suppress(ConnectionResetError):
                while data := s.recv(65536):
                    got += data
        head, _, body = got.partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            body = unchunk(body)
        return head.decode(), body.decode()

    def scrape(self):
        """{family name: family}, by the reference parser."""
        try:
            # pylint: disable-next=import-outside-toplevel
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
        except ImportError as e:
            raise Skip("needs python3-prometheus-client") from e
        head, body = self.request(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(head.startswith("HTTP/1.1 200 OK"), head)
        expect("application/openmetrics-text; version=1.0.0" in head, head)
        expect("Transfer-Encoding: chunked" in head, head)
        return {family.name: family for family in text_string_to_metric_families(body)}

    @check("telemetry.metrics")
    def metrics(self):
        """A scraper understands the text, and it says what the other ways in say."""
        families = self.scrape()
        kinds = {s.labels["port"]: s.labels["kind"] for s in families["vqswitch_port"].samples}
        expect(kinds == {"net_null0": "ethdev", "net_null1": "ethdev", "net_vhost2": "vhost"},
               f"ports: {kinds}")
        head, body = self.request(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        expect(head.startswith("HTTP/1.1 200 OK") and not body, head)
        before = self.frames(families)
        wait_for("more frames", lambda: self.frames(self.scrape()) > before)
        self.switch.command("stop")
        families = self.scrape()
        client = Client(self.switch.prefix)
        expect(self.frames(families) == client.ask("/vqswitch/queue", 0, "rx", 0)["frames"],
               "metrics and telemetry differ")
        sizes = {s.labels["le"]: s.value for s in families["vqswitch_frame_size_bytes"].samples
                 if s.name.endswith("_bucket") and s.labels["port"] == "net_null0"
                 and s.labels["direction"] == "rx"}
        expect(sizes["64.0"] == sizes["+Inf"] == self.frames(families), f"sizes: {sizes}")
        # what a scraper reads only grows
        self.switch.command("clear port stats all")
        expect(self.frames(self.scrape()) == self.frames(families), "'clear' resets metrics")
        self.switch.command("start")

    @staticmethod
    def frames(families):
        """Received by the first port."""
        return next(s.value for s in families["vqswitch_queue_frames"].samples
                    if s.labels == {"port": "net_null0", "queue": "0", "direction": "rx"})

    @check("telemetry.lists")
    def lists(self):
        """Objects in lists are there, each by its number."""
        self.switch.command("sflow add 127.0.0.1 port 9")
        collectors = Client(self.switch.prefix).ask("/vqswitch/sflow")["collectors"]
        expect(collectors["0"]["port"] == 9, f"collectors: {collectors}")
        self.switch.command("sflow del 127.0.0.1")

    @check("telemetry.optional")
    def optional(self):
        """Families of what is off at first: snooping, mirror filters, LLDP."""
        def sample(name, **labels):
            found = [sample.value for family in self.scrape().values() for sample in family.samples
                     if sample.name == name and labels.items() <= sample.labels.items()]
            expect(len(found) <= 1, f"{name} {labels}: {found}")
            return found[0] if found else None

        port = {"port": "net_null0"}
        names = ("vqswitch_multicast_groups", "vqswitch_lldp_sent_total")
        for name in names:
            expect(sample(name, **port) is None, f"{name} without the setting")
        for command in ("set snooping 0 on", "set port 0 lldp on", "mirror add 0 to 1",
                        "mirror filter 0 vlan 7"):
            self.switch.command(command)
        for name in names:
            wait_for(name, lambda name=name: sample(name, **port) is not None)
        name = "vqswitch_mirror_filter_frames_total"
        wait_for("frames without a tag", lambda: sample(name, result="left out", **port) > 0)
        expect(sample(name, result="fits", **port) == 0, "a frame of VLAN 7")
        mirrors = json.loads(self.switch.command("show mirror json"))
        expect([(m["id"], m["to"], m["filter"], m["fits"]) for m in mirrors] ==
               [(0, 1, {"vlan": 7}, 0)] and mirrors[0]["left_out"] > 0, f"mirrors: {mirrors}")
        domains = Client(self.switch.prefix).ask("/vqswitch/snooping")["domains"]
        expect(domains["0"]["domain"] == 0 and domains["0"]["querier"] == 1,
               f"snooping: {domains}")
        for command in ("set snooping 0 off", "set port 0 lldp off", "mirror filter 0 off",
                        "mirror del 0"):
            self.switch.command(command)

    @check("telemetry.http")
    def http(self):
        """Wrong requests are refused, and a client that says nothing holds up no other client."""
        for text, status in ((b"GET /other HTTP/1.0\r\n\r\n", "404"),
                             (b"GET /metricsx HTTP/1.0\r\n\r\n", "404"),
                             (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200"),
                             (b"GET / HTTP/1.0\r\n\r\n", "200"),
                             (b"GET /metrics HTTP/1.1\r\n\r\n", "400"),  # no Host
                             (b"GET /metrics HTTP/1.0\n\n", "200"),
                             (b"GET /metrics\r\n\r\n", "400"),
                             (b"GET /" + b"x" * 40000 + b" HTTP/1.0\r\n\r\n", "414"),
                             (b"GET / HTTP/1.0\r\n" + b"a: b\r\n" * 9000 + b"\r\n", "431")):
            head, _ = self.request(text)
            expect(head.split()[1:2] == [status], f"{text[:40]}: {head}")
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"get", b"NONSENSE"):
            head, _ = self.request(method + b" /metrics HTTP/1.0\r\n\r\n")
            expect(head.split()[1:2] == ["405"] and "Allow: GET, HEAD" in head, f"{method}: {head}")
        silent = []
        for _ in range(4):
            silent.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            silent[-1].connect(str(self.path("metrics")))
            silent[-1].send(b"GET /met")
        head, _ = self.request(b"GET /metrics HTTP/1.0\r\n\r\n")
        expect(head.split()[1:2] == ["200"], head)
        for s in silent:
            s.close()

    @check("telemetry.accept")
    def accept(self):
        """Each of the two formats, and at "/" the page, by what the client prefers."""
        opened, plain, refused = "application/openmetrics-text", "text/plain", None
        for accept in ("text/html", "text/html,application/xhtml+xml,*/*;q=0.8"):
            head, _ = self.request(f"GET / HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
            expect("200 OK" in head and "Content-Type: text/html" in head, f"{accept}: {head}")
        for accept, wanted in (
                ("*/*", opened), ("application/*", opened), ("text/*", plain), ("text/html", refused),
                ("text/plain", plain), ("Text/Plain;version=0.0.4", plain),
                ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", opened),
                ("application/openmetrics-text;q=0.2, text/plain;q=0.3", plain),
                ("text/html,application/xhtml+xml,*/*;q=0.8", opened), ("*/*;q=0", refused),
                ("application/openmetrics-text;q=0,*/*", plain), (",,", refused)):
            head, body = self.request(f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
            status = "406" if wanted is None else "200"
            expect(head.split()[1:2] == [status], f"{accept}: {head}")
            expect(wanted is None or f"Content-Type: {wanted}; version=" in head, f"{accept}: {head}")
            expect(wanted is None or body.endswith("# EOF\n") == (wanted == opened), f"{accept}: end")
        _, body = self.request(b"GET / HTTP/1.0\r\nAccept: text/plain\r\n\r\n")
        expect("# TYPE vqswitch_port_info gauge\n" in body and "# UNIT" not in body, "text format")
        expect("# TYPE vqswitch_queue_frames_total counter\n" in body, "names of counters")
        try:
            # pylint: disable-next=import-outside-toplevel
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError as e:
            raise Skip("needs python3-prometheus-client") from e
        names = {family.name for family in text_string_to_metric_families(body)}
        expect("vqswitch_queue_frames" in names, f"names: {sorted(names)}")

    @check("telemetry.crowd")
    def crowd(self):
        """More clients than there can be are told so; there is room again when one is gone."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                       for _ in range(CLIENTS + 4)]
            for client in clients:
                client.settimeout(30)
                client.connect(str(self.path("metrics")))
            for client in clients[CLIENTS:]:
                answer = client.recv(1000)
                expect(answer.startswith(b"HTTP/1.1 503 "), answer)
            clients[0].close()
            wait_for("room", lambda: "200" in self.request(b"GET / HTTP/1.0\r\n\r\n")[0][:20], 30,
                     alive=[self.switch])

    @check("telemetry.passed")
    def passed(self):
        """A descriptor that comes with a request never gets to us, where the kernel can refuse it."""
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            try:
                ours.getsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS)
            except OSError as e:
                raise Skip("needs Linux 6.16") from e
            s.connect(str(self.path("metrics")))
            try:
                socket.send_fds(s, [b"GET / HTTP/1.0\r\n\r\n"], [theirs.fileno()])
                raise Failure("a descriptor was taken")
            except PermissionError:
                pass

    @check("telemetry.slow")
    def slow(self):
        """A client that sends a byte now and then is dropped when its time is up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(str(self.path("metrics")))
            s.settimeout(0.5)
            deadline = Deadline(120)
            try:
                while not deadline.passed():
                    s.send(b"x")
                    with contextlib.suppress(socket.timeout):
                        expect(s.recv(1) == b"", "an answer to nothing")
                        return
            except (BrokenPipeError, ConnectionResetError):
                return
            raise Failure("a client may take any time")

    @check("telemetry.dashboard")
    def dashboard(self):
        """Every query of the dashboard is about a metric that exists."""
        names = {sample.name for family in self.scrape().values() for sample in family.samples}
        board = json.loads(DASHBOARD.read_text("utf-8"))
        used = set(re.findall(r"vqswitch_\w+", json.dumps(
            [panel["targets"] for panel in board["panels"]] + board["templating"]["list"])))
        expect(len(used) > 10, "the dashboard asks for next to nothing")
        expect(used <= names, f"no such metrics: {sorted(used - names)}")

    @check("telemetry.ready")
    def ready(self):
        """The service manager is told of the start and of the end."""
        deadline = Deadline(30)
        expect(self.manager.recv(100) == b"READY=1", "not ready first")
        expect(self.switch.quit() == 0, "exit status")
        expect(self.manager.recv(100) == b"STOPPING=1", "not stopping last")
        expect(not self.path("metrics").exists(), "the metrics socket is left over")
        expect(not deadline.passed(), "too late")
        self.spoiled = True


class Scrapers(Scenario):
    """Many ports, and as many clients of the metrics as may be."""

    cpus, seconds = 0.5, 10
    PORTS, CLIENTS, ADDRESSES = 48, 16, 5000

    def setup(self):
        self.backend([Port(self.path(f"vhost{i}")) for i in range(self.PORTS)],
                     extra=["--metrics", f"unix:{self.path('metrics')}"])

    def memory(self):
        """Bytes of it the switch uses."""
        status = pathlib.Path(f"/proc/{self.switch.child.pid}/status").read_text("ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def connect(self, path):
        """A client that has asked."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(30)
        client.connect(str(self.path("metrics")))
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client

    @staticmethod
    def read(client):
        """All it is sent."""
        with client:
            return b"".join(iter(lambda: client.recv(65536), b""))

    @check("telemetry.parts")
    def parts(self):
        """Control makes no more of an answer than is sent: others do not wait for all of it."""
        self.ask_at_once("/metrics", b"# EOF\n")

    @check("page.parts")
    def page_parts(self):
        """Nor of the JSON behind the page."""
        path = self.workdir / "addresses.vqs"
        path.write_text("".join(f"fdb add 02:00:00:00:{n >> 8:02x}:{n & 255:02x} 0 {n % self.PORTS}\n"
                                for n in range(self.ADDRESSES)), "ascii")
        self.switch.command(f"load {path}")
        self.ask_at_once("/json/fdb", b"]\n}\n")

    def ask_at_once(self, path, end):
        """As many clients as may be ask for what is large, and do not read it yet."""
        size = len(self.read(self.connect(path)))
        before = self.memory()
        clients = [self.connect(path) for _ in range(self.CLIENTS)]
        for client in clients:
            client.recv(1, socket.MSG_PEEK)  # it is being answered
        self.switch.command("show port summary all")
        grown = self.memory() - before
        answers = [self.read(client) for client in clients]
        print(f"{self.CLIENTS} answers of {size} bytes: {grown} bytes of memory")
        expect(all(answer.endswith(end) and abs(len(answer) - size) < size / 10
                   for answer in answers), "answers are not whole")
        expect(grown < self.CLIENTS * size / 4, f"{grown} bytes of memory for the answers")
