# SPDX-License-Identifier: BSD-3-Clause
"""A container runtime as a CNI plugin sees it: environment, standard input, results that are kept."""

import json
import os
import pathlib
import shutil
import subprocess

from .process import Failure, Skip, patience

PLUGIN = pathlib.Path(__file__).parents[3] / "config" / "cni" / "vqswitch.py"
DEVICE_INFO = "/run/k8s.cni.cncf.io/devinfo/cni"


class Refusal(Failure):
    """The plugin's error object."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['msg']}: {error['details']}")
        self.code = error["code"]


class Runtime:
    """Calls the plugin for a network. Its /run is a folder of the test's."""

    def __init__(self, workdir, conf, version="1.1.0"):
        if shutil.which("unshare") is None:
            raise Skip("needs unshare")
        self.conf = {"cniVersion": version, "name": "blue", "type": "vqswitch"} | conf
        self.results = {}  # {(container, ifname): result}
        self.run = pathlib.Path(workdir) / "run"
        self.run.mkdir(exist_ok=True)
        self.plugins = pathlib.Path(workdir) / "plugins"
        self.plugins.mkdir(exist_ok=True)

    def delegate(self, name, script):
        """A plugin of the test's that ours may call."""
        path = self.plugins / name
        path.write_text("#!/bin/sh\n" + script, "ascii")
        path.chmod(0o755)

    def exec(self, command, conf, **environment):
        """(exit status, what the plugin printed)"""
        others = {key: value for key, value in os.environ.items() if not key.startswith("CNI_")}
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        text = conf if isinstance(conf, bytes) else json.dumps(conf).encode()
        self.run.mkdir(exist_ok=True)
        done = subprocess.run(
            [*namespace, "sh", "-c", 'mount --bind "$0" /run && exec "$1"', self.run, PLUGIN],
            input=text, capture_output=True, check=False, timeout=60 * patience(),
            env=others | {"CNI_COMMAND": command, "CNI_PATH": str(self.plugins)} | environment)
        if done.stderr:
            raise Failure(f"{command}: {done.stderr.decode('utf-8', 'replace')}")
        return done.returncode, done.stdout

    def call(self, command, conf, **environment):
        """The object that was printed, {}: none. Refusal when it is an error."""
        code, out = self.exec(command, conf, **environment)
        said = json.loads(out) if out else {}
        if code != 0:
            raise Refusal(said)
        return said

    def _attachment(self, command, container, ifname, extra, args):
        runtime = {"CNIDeviceInfoFile": f"{DEVICE_INFO}/{container}-{ifname}"}
        previous = self.results.get((container, ifname))
        conf = self.conf | {"runtimeConfig": runtime} | ({"prevResult": previous} if previous else {}) | extra
        return self.call(command, conf, CNI_CONTAINERID=container, CNI_IFNAME=ifname,
                         CNI_NETNS=f"/run/netns/{container}", CNI_ARGS=args)

    def add(self, container, ifname="net1", args="", **extra):
        """ADD; the result is kept for the other commands."""
        result = self.results[container, ifname] = self._attachment("ADD", container, ifname, extra, args)
        return result

    def check(self, container, ifname="net1", args="", **extra):
        """CHECK"""
        if self._attachment("CHECK", container, ifname, extra, args):
            raise Failure("CHECK printed something")

    def delete(self, container, ifname="net1", args="", **extra):
        """DEL"""
        if self._attachment("DEL", container, ifname, extra, args):
            raise Failure("DEL printed something")
        self.results.pop((container, ifname), None)

    def collect(self, *valid):
        """GC with these attachments."""
        listed = [{"containerID": container, "ifname": ifname} for container, ifname in valid]
        if self.call("GC", self.conf | {"cni.dev/valid-attachments": listed}):
            raise Failure("GC printed something")

    def device_info(self, container, ifname="net1"):
        """The device information file, None: there is none."""
        path = self.run / DEVICE_INFO.removeprefix("/run/") / f"{container}-{ifname}"
        return json.loads(path.read_text("utf-8")) if path.exists() else None
