# SPDX-License-Identifier: BSD-3-Clause
"""Queues that the operator gives to workers."""

import json
import os
import pathlib
import re
import signal
import time

from harness.peers import EthdevPort, Port
from harness.control import Control
from harness.process import Failure, wait_for

from .base import Scenario, check


def expect(condition, what):
    """Fail with that text unless the condition holds."""
    if not condition:
        raise Failure(what)


class Placement(Scenario):
    """Two workers, two null devices and a vhost port that no front-end is connected to."""

    cpus, seconds = 1, 17

    def setup(self):
        self.backend([EthdevPort("net_null", size=64), EthdevPort("net_null", size=64),
                      Port(self.path("vhost"))], workers=2,
                     extra=["--control", self.path("control")])
        self.control = Control(self.path("control"))

    def ask(self, line):
        """The answer to a command that must be carried out."""
        done, said = self.control.ask(line)
        expect(done, f"{line}: {said}")
        return said

    def worker_of(self, queue):
        """The number of the worker that polls "port/queue"."""
        workers = json.loads(self.ask("show worker json"))
        return [number for number, worker in enumerate(workers) if queue in worker["queues"]]

    def received(self, port):
        """Frames that a port has sent to the switch."""
        return json.loads(self.ask(f"show port stats {port} json"))["rx"]["frames"]

    @check("placement.worker")
    def worker(self):
        """The worker that was named polls the queue, which goes on to receive."""
        for number in (0, 1):
            for port in (0, 1):
                self.ask(f"set port {port} rxq 0 worker {number}")
                expect(self.worker_of(f"{port}/0") == [number], f"port {port}, worker {number}")
                before = self.received(port)
                wait_for("frames", lambda p=port, b=before: self.received(p) > b, 30)
        self.ask("set port net_null0 rxq 0 worker any")
        expect(self.worker_of("0/0") == [1], "the worker that polled it does not go on")
        self.ask("set port 0 rxq 0 worker 0")
        self.switch.command("stop")
        self.switch.command("set nbcore 1")
        expect(self.worker_of("1/0") == [0], "a worker that does not forward has a queue")
        self.switch.command("set nbcore 2")
        self.switch.command("start")
        expect(self.worker_of("1/0") == [1] and self.worker_of("0/0") == [0], "not as before")
        self.switch.command("stop")
        for port in (0, 1):  # each frame was dropped, by whichever worker
            rx = json.loads(self.ask(f"show port stats {port} json"))["rx"]
            expect(rx["frames"] == sum(rx["drops"].values()) > 0, f"accounts: {rx}")

    def stopped(self):
        """Whether all threads of the switch stand still."""
        threads = pathlib.Path(f"/proc/{self.switch.child.pid}/task").glob("*/stat")
        return all(thread.read_text("ascii").rsplit(")", 1)[1].split()[0] == "T" for thread in threads)

    @check("placement.longest")
    def longest(self):
        """Workers that stand still for a second say so, until they are told to look anew."""

        def times():
            return [worker["longest_us"] for worker in json.loads(self.ask("show worker json"))]

        self.switch.command("start")
        self.ask("clear worker")
        os.kill(self.switch.child.pid, signal.SIGSTOP)
        wait_for("a stop of all threads", self.stopped, 30)
        time.sleep(1)
        os.kill(self.switch.child.pid, signal.SIGCONT)
        wait_for("the second", lambda: min(times()) >= 900000, 30)
        expect(re.search(r"worker 0 \d{6,}\.\d us, worker 1 \d{6,}\.\d us", self.ask("show worker")), "text")
        wait_for("shorter ones", lambda: self.ask("clear worker") == "" and max(times()) < 900000, 30)
        self.switch.command("stop")

    @check("placement.config")
    def config(self):
        """Settings can be seen, and made again from what is shown; wrong ones change nothing."""
        self.ask("set port 2 rxq 127 worker 1")  # no front-end has said how many there are
        self.ask("set port 0 rxq 0 worker 0")
        config = self.ask("show config")
        lines = re.findall(r"^set port \d+ rxq .*$", config, re.M)
        expect("set port 2 rxq 127 worker 1" in lines and "set port 0 rxq 0 worker 0" in lines, f"{lines}")
        expect(json.loads(self.ask("show port info 2 json"))["rxq_workers"] == ["127/1"], "JSON")
        for line, said in (("set port 0 rxq 128 worker 0", "queue 128"),
                           ("set port 0 rxq 0 worker 2", "worker 2: there are 2"),
                           ("set port 0 rxq 0 worker 255", "worker 255"),
                           ("set port 0 rxq 0 worker 256", "worker 256"),
                           ("set port 9 rxq 0 worker 0", "Invalid port 9"),
                           ("set port 0 rxq 0 worker all", "'all'")):
            done, answer = self.control.ask(line)
            expect(not done and said in answer, f"{line}: {answer}")
        expect(self.ask("show config") == config, "a refused command has changed something")
        for line in lines:
            self.ask(re.sub(r"worker \d+", "worker any", line))
        expect("rxq" not in self.ask("show config"), "settings that were taken back")
        for line in lines:
            self.ask(line)
        expect(self.ask("show config") == config, "not as before")

    @check("placement.rebalance")
    def rebalance(self):
        """One of two busy queues leaves a worker that has both, unless the operator wants them there."""
        self.control.ask("start")  # it may forward already
        for port in (0, 1):
            self.ask(f"set port {port} rxq 0 worker 0")
        self.ask("set worker rebalance 1")
        time.sleep(3)  # intervals in which nothing moves
        expect(self.worker_of("0/0") == self.worker_of("1/0") == [0], "what the operator wants")
        moved = json.loads(self.ask("show switch json"))["rebalanced_queues"]
        for port in (0, 1):
            self.ask(f"set port {port} rxq 0 worker any")
        wait_for("a queue that moves", lambda: self.worker_of("0/0") != self.worker_of("1/0"), 60)
        for port in (0, 1):
            before = self.received(port)
            wait_for("frames", lambda p=port, b=before: self.received(p) > b, 30)
        after = json.loads(self.ask("show switch json"))
        expect(after["rebalance_seconds"] == 1 and after["rebalanced_queues"] > moved, f"{after}")
        said = self.ask("show worker")
        expect(re.search(r"^Rebalanced every 1 s: \d+ queues moved, the last one \d+ s ago: "
                         r"[01]/0 from worker 0 to worker 1$", said, re.M), said)
        done, answer = self.control.ask("set worker rebalance 3601")
        expect(not done and "3601 seconds: must be between 0 (never) and 3600" in answer, answer)
        expect("set worker rebalance 1" in self.ask("show config"), "show config")
        self.ask("set worker rebalance 0")
        expect("rebalance" not in self.ask("show config") + self.ask("show worker"), "taken back")
