# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for the kubelet's device manager: plugins register, and obeys lines of standard input.

usage: kubelet.py FOLDER

A line is an object: operation (devices, allocate, restart) and ids, a list for each container. The answer
is a line: {name: [endpoint, {id: health}]}, what a container gets, or an error. Messages are written
down here by number, apart from those of the plugin.
"""

import concurrent.futures
import json
import pathlib
import sys
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# name: {number: (label, type, name)}; labels of descriptor.proto, types 8 bool, 9 string
ONE, MANY = 1, 3
TYPES = {
    "Empty": {},
    "DevicePluginOptions": {1: (ONE, 8, "pre_start_required"),
                            2: (ONE, 8, "get_preferred_allocation_available")},
    "RegisterRequest": {1: (ONE, 9, "version"), 2: (ONE, 9, "endpoint"), 3: (ONE, 9, "resource_name"),
                        4: (ONE, "DevicePluginOptions", "options")},
    "ListAndWatchResponse": {1: (MANY, "Device", "devices")},
    "NUMANode": {1: (ONE, 3, "ID")},
    "TopologyInfo": {1: (MANY, "NUMANode", "nodes")},
    "Device": {1: (ONE, 9, "ID"), 2: (ONE, 9, "health"), 3: (ONE, "TopologyInfo", "topology")},
    "AllocateRequest": {1: (MANY, "ContainerAllocateRequest", "container_requests")},
    "ContainerAllocateRequest": {1: (MANY, 9, "devices_ids")},
    "AllocateResponse": {1: (MANY, "ContainerAllocateResponse", "container_responses")},
    # a map is a list of pairs on the wire
    "Pair": {1: (ONE, 9, "key"), 2: (ONE, 9, "value")},
    "Mount": {1: (ONE, 9, "container_path"), 2: (ONE, 9, "host_path"), 3: (ONE, 8, "read_only")},
    "DeviceSpec": {1: (ONE, 9, "container_path"), 2: (ONE, 9, "host_path"), 3: (ONE, 9, "permissions")},
    "CDIDevice": {1: (ONE, 9, "name")},
    "ContainerAllocateResponse": {1: (MANY, "Pair", "envs"), 2: (MANY, "Mount", "mounts"),
                                  3: (MANY, "DeviceSpec", "devices"), 4: (MANY, "Pair", "annotations"),
                                  5: (MANY, "CDIDevice", "cdi_devices")},
}


def classes():
    """{name: class}"""
    file = descriptor_pb2.FileDescriptorProto(name="kubelet.proto", package="v1beta1", syntax="proto3")
    for name, fields in TYPES.items():
        message = file.message_type.add(name=name)
        for number, (label, kind, field) in fields.items():
            one = message.field.add(name=field, number=number, label=label,
                                    type=kind if isinstance(kind, int) else 11)
            if not isinstance(kind, int):
                one.type_name = f".v1beta1.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make = getattr(message_factory, "GetMessageClass", None) or \
        message_factory.MessageFactory(pool).GetPrototype
    return {name: make(pool.FindMessageTypeByName(f"v1beta1.{name}")) for name in TYPES}


API = classes()


def encode(message):
    """As it goes over the wire."""
    return message.SerializeToString()


class Plugin:
    """One that has registered: its list of devices is kept up to date."""

    def __init__(self, folder, request):
        self.endpoint = request.endpoint
        self.channel = grpc.insecure_channel(f"unix:{folder / request.endpoint}")
        self.devices = {}
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        """Until the plugin ends."""
        try:
            self.call("GetDevicePluginOptions", API["Empty"](), "DevicePluginOptions")
            lists = self.channel.unary_stream("/v1beta1.DevicePlugin/ListAndWatch", request_serializer=encode,
                                              response_deserializer=API["ListAndWatchResponse"].FromString)
            for one in lists(API["Empty"](), wait_for_ready=True):
                self.devices = {device.ID: device.health for device in one.devices}
        except grpc.RpcError:
            pass
        self.devices = {}

    def call(self, method, request, answer):
        """The answer to a request."""
        return self.channel.unary_unary(f"/v1beta1.DevicePlugin/{method}", request_serializer=encode,
                                        response_deserializer=API[answer].FromString)(
            request, timeout=120, wait_for_ready=True)

    def allocate(self, containers):
        """All that each container gets."""
        request = API["AllocateRequest"]()
        for ids in containers:
            request.container_requests.add(devices_ids=ids)
        answer = self.call("Allocate", request, "AllocateResponse")
        return [json_format.MessageToDict(one, preserving_proto_field_name=True)
                for one in answer.container_responses]


class Kubelet:
    """Plugins by the name of their resource."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.plugins = {}
        self.start()

    def register(self, request, context):
        """A plugin is there."""
        if request.version != "v1beta1":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"version {request.version}")
        self.plugins[request.resource_name] = Plugin(self.folder, request)
        return API["Empty"]()

    def start(self):
        """As the real one does at its start: sockets of plugins are removed."""
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v1beta1.Registration", {
            "Register": grpc.unary_unary_rpc_method_handler(
                self.register, request_deserializer=API["RegisterRequest"].FromString,
                response_serializer=encode)}),))
        self.server.add_insecure_port(f"unix:{self.folder}/kubelet.sock")
        self.server.start()

    def obey(self, told):
        """The answer to a line."""
        if told["operation"] == "restart":
            self.server.stop(0).wait()
            self.plugins.clear()
            self.start()
        if told["operation"] == "allocate":
            try:
                return self.plugins[told["resource"]].allocate(told["ids"])
            except grpc.RpcError as e:
                return {"error": e.details(), "code": e.code().name}
        return {name: [one.endpoint, one.devices] for name, one in list(self.plugins.items())}


def main():
    """Serve until the end of standard input."""
    kubelet = Kubelet(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(kubelet.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
