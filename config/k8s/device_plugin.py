#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Device plugin for Kubernetes: vhost-user ports of a running vqswitch as devices of a node.

The kubelet counts devices and tells which ones a container gets. Each is a port, made when it is given
to a container, and a folder with the port's socket, which the kubelet mounts into it: the pod needs no
path of the host. A port that is given away again is made anew, with a new folder, so that what an old
pod still has mounted leads nowhere. Needs python3-grpcio and python3-protobuf. doc/cloud.md has more.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

VERSION = "v1beta1"
ANSWER_SECONDS = 20
WORKERS = 8  # each ListAndWatch keeps one
RESOURCE = re.compile(r"([a-z0-9.-]{1,63})/([a-z0-9-]{1,24})", re.A)
FOLDER = re.compile(r"(/[A-Za-z0-9_.~+@:-]+)+", re.A)
VLAN = re.compile(r"(access \d{1,4}|trunk [\d,-]{1,200})", re.A)

# messages of the kubelet's device plugin API: fields by number from 1 on; "*" is a list, "=" a map of strings
MESSAGES = {
    "Empty": [],
    "DevicePluginOptions": ["bool pre_start_required", "bool get_preferred_allocation_available"],
    "RegisterRequest": ["string version", "string endpoint", "string resource_name",
                        "DevicePluginOptions options"],
    "Device": ["string ID", "string health"],
    "ListAndWatchResponse": ["*Device devices"],
    "ContainerAllocateRequest": ["*string devices_ids"],
    "AllocateRequest": ["*ContainerAllocateRequest container_requests"],
    "Mount": ["string container_path", "string host_path", "bool read_only"],
    "ContainerAllocateResponse": ["=string envs", "*Mount mounts"],
    "AllocateResponse": ["*ContainerAllocateResponse container_responses"],
}
FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS = {"string": FIELD.TYPE_STRING, "bool": FIELD.TYPE_BOOL}


def add_map(message, name):
    """The type of a map's entries."""
    entry = message.nested_type.add(name="".join(map(str.capitalize, name.split("_"))) + "Entry")
    entry.options.map_entry = True
    for number, key in enumerate(("key", "value"), 1):
        entry.field.add(name=key, number=number, label=FIELD.LABEL_OPTIONAL, type=FIELD.TYPE_STRING)
    return entry.name


def add_field(message, number, text):
    """A field as MESSAGES has it."""
    kind, name = text.lstrip("*=").split()
    field = message.field.add(name=name, number=number, label=FIELD.LABEL_OPTIONAL)
    if text[0] in "*=":
        field.label = FIELD.LABEL_REPEATED
    if text[0] == "=":
        kind = f"{message.name}.{add_map(message, name)}"
    field.type = SCALARS.get(kind, FIELD.TYPE_MESSAGE)
    if kind not in SCALARS:
        field.type_name = f".{VERSION}.{kind}"


def message_classes():
    """{name: class} of MESSAGES."""
    file = descriptor_pb2.FileDescriptorProto(name="deviceplugin.proto", package=VERSION, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields, 1):
            add_field(message, number, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{VERSION}.{name}") for name in MESSAGES}
    if hasattr(message_factory, "GetMessageClass"):
        return {name: message_factory.GetMessageClass(one) for name, one in found.items()}
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(one) for name, one in found.items()}


API = message_classes()


def say(text):
    """A line of the log."""
    print(text, file=sys.stderr, flush=True)


class Refused(Exception):
    """The switch does not do it, or is not there."""


class Switch:
    """Commands to the switch."""

    def __init__(self, control):
        self.control = control

    def run(self, *lines):
        """The output of commands, by one client."""
        try:
            done = subprocess.run(["vqsctl", "-s", self.control], input="\n".join(lines) + "\n", text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                  timeout=ANSWER_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Refused(f"vqsctl: {e}") from e
        if done.returncode != 0:
            raise Refused(done.stdout.strip())
        return done.stdout

    def has(self, port):
        """Whether there is a port of that name."""
        return any(one["name"] == port for one in json.loads(self.run("show port info all json")))

    def answers(self):
        """Whether it runs."""
        with contextlib.suppress(Refused):
            return bool(self.run("show switch json"))
        return False


class Devices:
    """The ports of one resource."""

    def __init__(self, options):
        self.options = options
        self.name = RESOURCE.fullmatch(options.resource)[2]
        self.switch = Switch(options.control)
        self.lock = threading.Lock()

    def ids(self):
        """The names of all devices."""
        return [f"{self.name}-{number}" for number in range(self.options.count)]

    def folder(self, device):
        """Of one on the host."""
        return f"{self.options.folder}/{device}"

    @contextlib.contextmanager
    def base(self):
        """The folder of all devices, which root alone may write to: the one above it is the switch's."""
        os.makedirs(self.options.folder, 0o755, exist_ok=True)
        fd = os.open(self.options.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = os.fstat(fd)
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                raise Refused(f"{self.options.folder}: others may write to it")
            yield fd
        finally:
            os.close(fd)

    def remove(self, port, device, base):
        """A port that was given away before, and its folder."""
        if self.switch.has(port):
            self.switch.run(f"port detach {port}")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(device, dir_fd=base)

    def make_folder(self, device, base):
        """To the switch alone; the group may enter, and gets the socket."""
        os.mkdir(device, 0o700, dir_fd=base)
        fd = os.open(device, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base)
        try:
            group = -1 if self.options.group is None else self.options.group
            os.fchown(fd, os.stat(self.options.control).st_uid, group)
            os.fchmod(fd, 0o2750)
        finally:
            os.close(fd)

    def commands(self, port, device):
        """The commands that make a port."""
        queues, domain, vlan = self.options.queues, self.options.domain, self.options.vlan
        place = f"domain {domain} " if domain or vlan else ""
        if vlan and vlan.startswith("access "):
            place += f"vlan {vlan.removeprefix('access ')} "
        lines = [f"port attach {place}{port},iface={self.folder(device)}/vhost.sock,queues={queues},"
                 "mode=0660"]
        lines += [f"set port {port} domain {domain}"] if domain else []
        lines += [f"set port {port} vlan {vlan}"] if vlan else []
        return lines + [f"set port {port} isolated on"] * self.options.isolated

    def make(self, device):
        """A port and its folder, anew."""
        if device not in self.ids():
            raise Refused(f"there is no device {device!r}")
        port = f"net_vhost_k8s_{device}"
        with self.lock, self.base() as base:
            self.remove(port, device, base)
            try:
                self.make_folder(device, base)
                self.switch.run(*self.commands(port, device))
            except BaseException:
                with contextlib.suppress(Refused, OSError):
                    self.remove(port, device, base)
                raise

    def given(self, devices):
        """The kubelet's orders for a container that gets these."""
        inside = [f"{self.options.mount}/{number}" for number in range(len(devices))]
        answer = API["ContainerAllocateResponse"]()
        if not devices:
            return answer
        answer.envs[f"VQSWITCH_{self.name.upper().replace('-', '_')}"] = \
            ",".join(f"{path}/vhost.sock" for path in inside)
        for path, device in zip(inside, devices):
            answer.mounts.add(container_path=path, host_path=self.folder(device), read_only=True)
        return answer


class Plugin:
    """The service, as long as the kubelet lives."""

    def __init__(self, devices):
        self.devices = devices
        self.options = devices.options
        self.endpoint = f"vqswitch-{devices.name}.sock"
        self.path = f"{self.options.kubelet}/{self.endpoint}"
        self.stopped = threading.Event()
        self.server = None

    def describe(self, _request, _context):
        """Nothing but the two calls that have to be there."""
        return API["DevicePluginOptions"]()

    def watch(self, _request, context):
        """All devices, and again whenever their health is another one: that of the switch."""
        told = None
        while context.is_active() and not self.stopped.is_set():
            health = "Healthy" if self.devices.switch.answers() else "Unhealthy"
            if health != told:
                told = health
                answer = API["ListAndWatchResponse"]()
                for device in self.devices.ids():
                    answer.devices.add(ID=device, health=health)
                yield answer
            self.stopped.wait(self.options.interval)

    def allocate(self, request, context):
        """Make the ports of containers that are about to start."""
        answer = API["AllocateResponse"]()
        try:
            for container in request.container_requests:
                for device in container.devices_ids:
                    self.devices.make(device)
                answer.container_responses.append(self.devices.given(container.devices_ids))
        except (Refused, OSError, ValueError) as e:
            say(f"no port: {e}")
            context.abort(grpc.StatusCode.UNAVAILABLE, str(e))
        return answer

    def handlers(self):
        """By method, with the classes of what comes and goes."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        rows = {"GetDevicePluginOptions": (unary, self.describe, "Empty"),
                "ListAndWatch": (stream, self.watch, "Empty"),
                "Allocate": (unary, self.allocate, "AllocateRequest")}
        return grpc.method_handlers_generic_handler(f"{VERSION}.DevicePlugin", {
            name: kind(call, request_deserializer=API[request].FromString,
                       response_serializer=lambda message: message.SerializeToString())
            for name, (kind, call, request) in rows.items()})

    def start(self):
        """Serve, then tell the kubelet where."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.stopped.clear()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(WORKERS))
        self.server.add_generic_rpc_handlers((self.handlers(),))
        self.server.add_insecure_port(f"unix:{self.path}")
        self.server.start()
        request = API["RegisterRequest"](version=VERSION, endpoint=self.endpoint,
                                         resource_name=self.options.resource)
        with grpc.insecure_channel(f"unix:{self.options.kubelet}/kubelet.sock") as channel:
            channel.unary_unary(
                f"/{VERSION}.Registration/Register", response_deserializer=API["Empty"].FromString,
                request_serializer=lambda message: message.SerializeToString())(
                    request, timeout=ANSWER_SECONDS)
        say(f"{self.options.resource}: {self.options.count} devices registered")

    def stop(self):
        """End the service; the kubelet comes to a new one by itself."""
        self.stopped.set()
        if self.server is not None:
            self.server.stop(0).wait()
        self.server = None

    def kubelet(self):
        """Which one it is: another file after each start."""
        with contextlib.suppress(OSError):
            found = os.stat(f"{self.options.kubelet}/kubelet.sock")
            return found.st_ino, found.st_ctime_ns
        return None

    def serve(self):
        """A kubelet that starts removes all sockets of plugins, and wants each registered again."""
        registered = None
        while True:
            kubelet = self.kubelet()
            if kubelet is not None and (kubelet != registered or not os.path.exists(self.path)):
                self.stop()
                try:
                    self.start()
                    registered = kubelet
                except grpc.RpcError as e:
                    registered = None
                    say(f"the kubelet does not answer: {e.code().name}")
                except (OSError, RuntimeError) as e:  # its folder goes or comes at this moment
                    registered = None
                    say(f"{self.path}: {e}")
            time.sleep(self.options.interval)


def matching(expression, what):
    """A check of an option's value."""
    def check(text):
        if expression.fullmatch(text) is None:
            raise argparse.ArgumentTypeError(f"{what}: {text!r}")
        return text
    return check


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    path = matching(FOLDER, "an absolute path of letters, digits and _.~+@:-")
    parser.add_argument("--resource", default="vqswitch.io/port", metavar="DOMAIN/NAME",
                        type=matching(RESOURCE, "DOMAIN/NAME, the name at most 24 letters, digits and -"))
    parser.add_argument("--count", type=int, default=32, help="devices of the node (%(default)s)")
    parser.add_argument("--control", type=path, default="/run/vqswitch/control", help="socket of the switch")
    parser.add_argument("--folder", type=path, default="/run/vqswitch/k8s",
                        help="has a folder for each device")
    parser.add_argument("--mount", type=path, default="/run/vhost", help="path of the folders in a container")
    parser.add_argument("--kubelet", type=path, default="/var/lib/kubelet/device-plugins",
                        help="folder of the kubelet's socket")
    parser.add_argument("--group", type=int, help="group, by number, that may connect (root's)")
    parser.add_argument("--queues", type=int, default=1, help="queue pairs that ports offer")
    parser.add_argument("--domain", type=int, default=0, help="domain of the ports")
    parser.add_argument("--vlan", type=matching(VLAN, "an access or a trunk"),
                        help='"access 10", "trunk 1,5-9"')
    parser.add_argument("--isolated", action="store_true", help="no frames between these ports")
    parser.add_argument("--interval", type=float, default=5, metavar="SECONDS",
                        help="between looks at switch and kubelet (%(default)s)")
    Plugin(Devices(parser.parse_args())).serve()


if __name__ == "__main__":
    main()
