# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios side by side, each in a process of its own, as many as the machine has cores for."""

import ctypes
import multiprocessing
import os
import resource
import signal
import time
import traceback
from multiprocessing.connection import wait
from typing import NamedTuple

from .debs import DebError
from .process import Failure, Skip

PR_SET_PDEATHSIG = 1
HANGS_S = 1800  # without a result: a scenario that never ends would hold up all


class Result(NamedTuple):
    """The end of one check. flaky: the reason of a first attempt that failed, if the second passed."""
    verdict: str
    name: str
    seconds: float
    reason: str
    flaky: str = ""


class Usage(NamedTuple):
    """Processor time of a scenario's processes and how long it took: on an idle machine their
    quotient is `cpus`. On a busy one it takes longer by its share of the cores."""
    scenario: type
    busy: float
    seconds: float

    def __str__(self):
        return (f"{self.scenario.__module__}.{self.scenario.__name__}: {self.busy:.1f} s of processor "
                f"time in {self.seconds:.0f} s, cpus {self.busy / self.seconds:.2f} (planned with cpus "
                f"{self.scenario.cpus}, seconds {self.scenario.seconds})")


def verdict_of(action):
    """Run it; (verdict, reason). A check that passed may return a remark."""
    try:
        return "PASS", action() or ""
    except Skip as e:
        return "SKIP", str(e)
    except DebError as e:
        # packages of a release that this machine's mirror need not have
        return ("SKIP" if os.environ.get("VQS_TEST_PACKAGES") == "optional" else "FAIL"), str(e)
    except Failure as e:
        return "FAIL", str(e)
    except Exception as e:  # pylint: disable=broad-exception-caught
        traceback.print_exc()
        return "FAIL", f"{type(e).__name__}: {e}"


class Bench:
    """A scenario's processes, started when a check needs them, replaced when a check broke them."""

    def __init__(self, scenario_class, logs, attempts=2):
        self.scenario_class = scenario_class
        self.logs = logs
        self.attempts = attempts
        self.scenario = None
        self.builds = 0

    def run(self, name):
        """The result of one check, which is repeated once with new processes when it fails."""
        start, failed = time.monotonic(), []
        while True:
            verdict, reason = self._attempt(name)
            if verdict != "FAIL":
                break
            failed.append(reason)
            if len(failed) == self.attempts:
                reason = " -- and again: ".join(failed)
                break
        flaky = failed[0] if failed and verdict == "PASS" else ""
        return Result(verdict, name, time.monotonic() - start, reason, flaky)

    def _attempt(self, name):
        if self.scenario is not None and not self.scenario.intact():
            self.close()
        if self.scenario is None:
            room = self.scenario_class.__module__.rpartition(".")[2]
            workdir = self.logs / f"{room}.{self.scenario_class.__name__}.{self.builds}"
            workdir.mkdir()
            self.builds += 1
            self.scenario = self.scenario_class(workdir)
            verdict, reason = verdict_of(self.scenario.setup)
            if verdict != "PASS":
                self.close()
                return verdict, f"setup: {reason}"
        check = self.scenario_class.checks()[name]
        verdict, reason = verdict_of(lambda: check.run(self.scenario))
        if verdict == "FAIL":
            reason += self.scenario.autopsy()
            self.scenario.spoiled = True
        return verdict, reason

    def close(self):
        """End all processes."""
        if self.scenario is not None:
            self.scenario.close()
            self.scenario = None


def _worker(bench, names, results):
    """Main function of a scenario's process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    start = time.monotonic()
    try:
        for name in names:
            results.send(bench.run(name))
    finally:
        bench.close()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    results.send(Usage(bench.scenario_class, sum(u.ru_utime + u.ru_stime for u in used),
                       time.monotonic() - start))


class _Running:
    """A scenario's process and its checks that have no result."""

    def __init__(self, bench, names):
        self.cpus = bench.scenario_class.cpus
        self.names = list(names)
        self.heard = time.monotonic()
        self.interrupted = False
        self.results, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=_worker, args=(bench, names, theirs))
        self.process.start()
        theirs.close()

    def receive(self):
        """The next result or the usage; None when there will be no more."""
        self.heard = time.monotonic()
        try:
            result = self.results.recv()
            if isinstance(result, Result):
                self.names.remove(result.name)
            return result
        except EOFError:
            self.process.join()
            return None

    def end_if_it_hangs(self):
        """At first so that it ends its own processes."""
        late = time.monotonic() - self.heard
        if late > HANGS_S and not self.interrupted:
            self.interrupted = True
            os.kill(self.process.pid, signal.SIGINT)
        elif late > 1.2 * HANGS_S:
            self.process.kill()

    def unfinished(self):
        """Results of checks whose process is gone."""
        return [Result("FAIL", name, 0, f"the scenario's process ended ({self.process.exitcode})")
                for name in self.names]


def _next(waiting, running, cpus):
    """The first of those that wait for which there are cores, removed; None when none can start."""
    free = cpus - sum(one.cpus for one in running)
    for index, (bench, _) in enumerate(waiting):
        if not running or bench.scenario_class.cpus <= free:
            return waiting.pop(index)
    return None


def run_all(benches, cpus):
    """Results of [(Bench, names)] as they come, with so many cores to share; 0: one by one. After
    those of a scenario comes its Usage."""
    waiting, running = list(benches), []
    while waiting or running:
        while (start := _next(waiting, running, cpus)) is not None:
            running.append(_Running(*start))
        ready = wait([one.results for one in running], HANGS_S / 10)
        for one in running:
            if one.results not in ready:
                one.end_if_it_hangs()
        for one in [one for one in running if one.results in ready]:
            result = one.receive()
            if result is None:
                running.remove(one)
                yield from one.unfinished()
            else:
                yield result


def cores():
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
