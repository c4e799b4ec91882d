# SPDX-License-Identifier: BSD-3-Clause
"""How compare and scale take one sample: a fresh switch, vqgen, and the cores' distance."""

import os
import pathlib
import platform
import resource
import shutil
import subprocess
import tempfile
import time

from cases import CASES
from cores import core_class, distance
from peers import PEERS, Failed


def raise_limits():
    """As many open files as may be: a thousand ports take several each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def vqgen_command(args, peer, options, sockets):
    return [str(pathlib.Path(args.build) / "test" / "perf" / "vqgen"),
            "--cpu", str(args.client_cpu), "--timeout", "60",
            *(["--server"] if peer.server else []), *options.split(), *sockets]


def vqgen(args, peer, options):
    """Traffic between the first guests."""
    command = vqgen_command(args, peer, f"{options} --duration {args.duration}",
                            peer.sockets()[:peer.case.busy])
    out = subprocess.run(command, capture_output=True, text=True, check=False,
                         timeout=args.duration + 150)
    lines = [x for x in out.stdout.splitlines() if x.startswith("result ")]
    if not lines:
        raise Failed(out.stderr.strip() or f"vqgen ended with {out.returncode}")
    pairs = (word.split("=", 1) for word in lines[-1].split()[1:])
    return {k: v if k in ("mode", "layout") else float(v) for k, v in pairs}


def idle(args, peer):
    """Share of a CPU the switch takes for guests that say nothing."""
    peer.silence(0)
    time.sleep(1)
    before, start = peer.cpu_seconds(), time.monotonic()
    time.sleep(max(args.duration, 3))
    return {"cpu": 100 * (peer.cpu_seconds() - before) / (time.monotonic() - start)}


def measure(args, peer):
    if peer.case.kind == "cpu":
        return idle(args, peer)
    if peer.case.nulls:
        return {"rx_pps": peer.own_rate()}
    if peer.guests > peer.case.busy:
        peer.silence(peer.case.busy)
    return vqgen(args, peer, peer.case.options)


def sample(args, name, case):
    """One measurement with a fresh instance; the reason instead if there is none."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"compare-{name}-"))
    peer = PEERS[name](args, directory, CASES[case])
    row = {"peer": name, "case": case, "time": time.time(), "busy": args.busy}
    try:
        before = distance(args.build, args.switch_cpu, args.client_cpu)
        peer.start()
        row.update(measure(args, peer))
        peer.stop()
        if name == "limit":
            row["busy_cycles"] = peer.busy_cycles()
        after = distance(args.build, args.switch_cpu, args.client_cpu)
        row["distance_ns"] = [before, after]
        row["class"] = core_class(before, after)
        row["cycles"] = 0
        if "tsc_hz" in row:
            both = CASES[case].kind == "both"
            row["cycles"] = row["tsc_hz"] / (row["rx_pps"] + row["tx_pps"] * both)
    except (Failed, OSError, subprocess.SubprocessError) as e:
        row["failed"] = str(e)
    finally:
        peer.stop()
        if "failed" not in row:
            shutil.rmtree(directory)
    return row


def machine():
    with open("/proc/cpuinfo", encoding="utf8") as f:
        cpu = next((x.split(":", 1)[1].strip() for x in f if x.startswith("model name")), "")
    release = ".".join(platform.release().split(".")[:2])
    return f"{cpu}, {os.cpu_count()} CPUs, Linux {release}"
