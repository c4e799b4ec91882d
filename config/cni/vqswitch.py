#!/usr/bin/python3 -I
# SPDX-License-Identifier: BSD-3-Clause
"""CNI plugin: vhost-user ports of a running vqswitch for pods.

A container runtime runs it as root, with CNI_* in the environment and a network's configuration on
standard input (CNI 0.4.0, 1.0.0 and 1.1.0). The name of a port is made of the network, the
container and the interface, so nothing has to be remembered between two calls. Names and values
come from pods and their authors: each is checked against a list of what it may be, no command to
the switch is made of anything else, and below the folder of sockets no symbolic link is followed.
doc/cloud.md has the keys of a configuration.
"""

import contextlib
import fcntl
import grp
import hashlib
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys

VERSIONS = ["0.4.0", "1.0.0", "1.1.0"]
DEVICE_INFO_VERSION = "1.1.0"
DEVICE_INFO_FOLDERS = ("/run/k8s.cni.cncf.io/devinfo/cni", "/var/run/k8s.cni.cncf.io/devinfo/cni")
PREFIX = "net_vhost_cni_"
ANSWER_SECONDS = 20
ANSWER_MAX = 64 << 20
FILE_MAX = 1 << 20
CLAIMS_MAX = 256  # of a folder
SOCKET_PATH_MAX = 107  # sun_path and its NUL
IFNAME_MAX = 15
VM_MAX = 63

# error codes of the specification, then our own
VERSION, FIELD, ENVIRONMENT, IO, DECODE, CONFIG, AGAIN = 1, 2, 4, 5, 6, 7, 11
UNAVAILABLE, LIMITED, REFUSED, EXISTS, DIFFERS, UNEXPECTED = 50, 51, 100, 101, 102, 999


class CniError(Exception):
    """Ends the call: an error object is printed."""

    def __init__(self, code, msg, details=""):
        super().__init__(msg)
        self.code, self.msg, self.details = code, msg, details


# --- values ---

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.A)
FOLDER = re.compile(r"(/[A-Za-z0-9_.~+@:-]+)+", re.A)
VLANS = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", re.A)
CONFIG_DATA = re.compile(r"configData-[A-Za-z0-9_.-]+\.json", re.A)
MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


def is_whole(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def whole(low, high):
    return lambda value: is_whole(value, low, high), f"a number from {low} to {high}"


def one_of(*words):
    return lambda value: isinstance(value, str) and value in words, "one of " + ", ".join(words)


def is_folder(value):
    """An absolute path in its plain form, of characters that mean nothing to a command."""
    return isinstance(value, str) and FOLDER.fullmatch(value) is not None and \
        not {".", ".."} & set(value.split("/"))


def is_mac(value):
    return isinstance(value, str) and MAC.fullmatch(value) is not None and \
        not int(value[:2], 16) & 1 and int(value.replace(":", ""), 16) != 0


def vlan_ranges(text):
    """[[first, last]] of "1,5,10-20", sorted and joined as the switch prints them; None: no such list."""
    if not isinstance(text, str) or VLANS.fullmatch(text) is None:
        return None
    ranges = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        ranges.append([int(first), int(last or first)])
    merged = []
    for first, last in sorted(ranges):
        if not 1 <= first <= last <= 4094:
            return None
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(last, merged[-1][1])
        else:
            merged.append([first, last])
    return merged


def is_vlan(value):
    """The VLAN of an access port, or an object with access or trunk, native and qinq."""
    if is_whole(value, 1, 4094):
        return True
    if not isinstance(value, dict) or ("access" in value) == ("trunk" in value):
        return False
    checks = {"access": lambda v: is_whole(v, 1, 4094), "trunk": vlan_ranges,
              "native": lambda v: "trunk" in value and is_whole(v, 1, 4094),
              "qinq": lambda v: v in ("8100", "88a8")}
    return all(key in checks and checks[key](v) for key, v in value.items())


def is_rate(value):
    return isinstance(value, dict) and bool(value) and \
        all(key in ("pps", "bps") and is_whole(v, 1, 10 ** 12) for key, v in value.items())


def is_group(value):
    if isinstance(value, str):
        with contextlib.suppress(KeyError):
            return grp.getgrnam(value) is not None
    return is_whole(value, 0, 2 ** 31 - 1)


RATE = (is_rate, 'an object with "pps" or "bps" or both')
TRUTH = (lambda value: isinstance(value, bool), "true or false")
PATH = (is_folder, "an absolute path of letters, digits and _.~+@:-, without . and .. and a slash at its end")

# needed to find an attachment again: also checked for DEL and GC
PLACES = {"control": PATH, "folder": PATH, "folderName": one_of("container", "pod")}
KEYS = PLACES | {
    "podFolder": PATH,
    "listens": one_of("switch", "pod"),
    "group": (is_group, "the number or name of a group of this host"),
    "socketMode": (lambda v: isinstance(v, str) and re.fullmatch(r"0?[0-7]{3}", v) is not None,
                   'octal permissions in a string, as "0660"'),
    "domain": whole(0, 4095),
    "vlan": (is_vlan, 'a VLAN, or an object with "access" or "trunk" ("1,5,10-20"), "native", "qinq"'),
    "queues": whole(1, 128),
    "mtu": whole(68, 65535),
    "mac": (is_mac, "a unicast address XX:XX:XX:XX:XX:XX"),
    "format": one_of("any", "modern-only", "legacy-le", "legacy-be"),
    "tso": TRUTH,
    "packed": TRUTH,
    "isolated": TRUTH,
    "sourceLock": TRUTH,
    "guard": TRUTH,
    "rate": RATE,
    "egressRate": RATE,
    "storm": whole(1, 10 ** 12),
}
# what runtimes and Multus put into a configuration
COMMON = {"cniVersion", "cniVersions", "name", "type", "args", "capabilities", "runtimeConfig", "prevResult",
          "ipam", "dns", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "deviceID", "pciBusID"}
DEFAULTS = {"control": "/run/vqswitch/control", "folder": "/run/vqswitch/cni", "folderName": "container",
            "listens": "switch", "socketMode": "0660", "domain": 0, "queues": 1}


def check_fields(conf, keys):
    for key, (accepts, expected) in keys.items():
        if key in conf and not accepts(conf[key]):
            raise CniError(CONFIG, f"Invalid value of {key}", f"{json.dumps(conf[key])}: expected {expected}")


def check_keys(conf):
    """All of them: one that is mistyped would put a pod into another network than was meant."""
    for key in conf:
        if key not in KEYS and key not in COMMON and not key.startswith("cni.dev/"):
            raise CniError(FIELD, "Unsupported field in the network configuration",
                           f"{json.dumps(key)}: {json.dumps(conf[key])}")
    check_fields(conf, KEYS)


# --- the switch ---

class NotThere(CniError):
    """There is no control socket: the switch was ended in order, and its ports with it."""


class Switch:
    """A connection to the control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(ANSWER_SECONDS)
        self.pending = b""
        try:
            self.socket.connect(path)
        except FileNotFoundError as e:
            raise NotThere(AGAIN, "The switch does not run", f"{path}: {e.strerror}") from e
        except OSError as e:
            raise CniError(AGAIN, "The switch does not answer", f"{path}: {e}") from e
        cred = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        self.uid = struct.unpack("iII", cred)[1]

    def _answer(self):
        while b"\0" not in self.pending[:-1]:
            part = self.socket.recv(65536)
            if not part or len(self.pending) > ANSWER_MAX:
                raise CniError(AGAIN, "The switch closed the connection")
            self.pending += part
        end = self.pending.index(b"\0")
        text, done = self.pending[:end], self.pending[end + 1:end + 2]
        self.pending = self.pending[end + 2:]
        return done == b"0", text.decode("utf-8", "replace")

    def run(self, lines):
        """The output of each command. They arrive together, so that nothing comes in between."""
        if any(re.fullmatch(r"[!-~]+( [!-~]+)*", line) is None for line in lines):
            raise CniError(CONFIG, "A command has a character that it must not have", repr(lines))
        try:
            self.socket.sendall("".join(line + "\n" for line in lines).encode("ascii"))
            answers = [self._answer() for _ in lines]
        except OSError as e:
            raise CniError(AGAIN, "The switch does not answer", f"{lines[0]}: {e}") from e
        for line, (done, text) in zip(lines, answers):
            if not done:
                full = text.startswith("The control socket has its")
                raise CniError(AGAIN if full else REFUSED, "The switch refuses a command",
                               f"{line}: {' '.join(text.split())}")
        return [text for _, text in answers]

    def json(self, line):
        try:
            return json.loads(self.run([line])[0])
        except ValueError as e:
            raise CniError(DECODE, "The switch's answer is not JSON", f"{line}: {e}") from e

    def ports(self):
        return {port["name"]: port for port in self.json("show port info all json")}


def socket_of(port):
    return port.get("vhost", {}).get("socket", "")


# --- folders ---

def open_folder(path, create=False):
    """Its descriptor. No part of the path is a symbolic link."""
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        for part in path.strip("/").split("/"):
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=fd)
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = inner
        inner = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    except OSError as e:
        code = IO if isinstance(e, FileNotFoundError) else CONFIG
        raise CniError(code, "A folder cannot be used", f"{path}: {part}: {e.strerror}") from e
    finally:
        os.close(fd)
    return inner


@contextlib.contextmanager
def base_folder(path, create=False):
    """The folder of folders, which no other user may write to. One call at a time has it."""
    fd = open_folder(path, create)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise CniError(CONFIG, "Others may write to the folder of sockets", path)
        yield fd
    finally:
        os.close(fd)


def read_json(name, folder):
    with contextlib.suppress(OSError, ValueError, RecursionError):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with open(fd, encoding="utf-8") as f:
            value = json.loads(f.read(FILE_MAX))
            return value if isinstance(value, dict) else {}
    return {}


def write_new(name, value, folder, mode):
    """A file of JSON in a folder; a file, link or socket that is there is replaced."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=folder)
    with open(fd, "w", encoding="utf-8") as f:
        os.fchmod(fd, mode)
        json.dump(value, f, indent=4)
        f.write("\n")


def attachments_in(base, name, only=None):
    """[(network, container, ifname)] of the folder's files, or of @only. It may be a pod's: claims."""
    found = []
    with contextlib.suppress(OSError):
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base)
        files = [only] if only else filter(CONFIG_DATA.fullmatch, os.listdir(folder))
        for file in list(files)[:CLAIMS_MAX]:
            claim = read_json(file, folder)
            values = [claim.get(key) for key in ("name", "containerId", "ifName")]
            if all(isinstance(value, str) for value in values):
                found.append(tuple(values))
        os.close(folder)
    return found


def remove_files(base, name, files, whole_folder):
    """Remove files from a folder; and it, with all in it or if it is empty then."""
    with contextlib.suppress(OSError):
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base)
        for file in files:
            with contextlib.suppress(OSError):
                os.unlink(file, dir_fd=folder)
        os.close(folder)
        if whole_folder:
            shutil.rmtree(name, dir_fd=base)
        else:
            os.rmdir(name, dir_fd=base)


class DeviceInfo:
    """The file that Multus reads: DEVICE_INFO_FOLDERS is where the specification has it."""

    def __init__(self, path):
        self.folder, self.name = path.rpartition("/")[::2] if isinstance(path, str) else ("", "")
        if self.folder not in DEVICE_INFO_FOLDERS or WORD.fullmatch(self.name) is None:
            raise CniError(CONFIG, "Invalid value of CNIDeviceInfoFile", json.dumps(path))
        self.folder = DEVICE_INFO_FOLDERS[0]

    def write(self, info):
        """Make it. One that is there is a device plugin's, or another attachment's."""
        fd = open_folder(self.folder, create=True)
        try:
            if self.name in os.listdir(fd):
                raise CniError(EXISTS, "The device information file is there already", self.name)
            write_new(self.name, info, fd, 0o644)
        finally:
            os.close(fd)

    def remove(self, sockets):
        """Remove it if it tells one of these sockets."""
        with contextlib.suppress(CniError, OSError):
            fd = open_folder(self.folder)
            told = read_json(self.name, fd).get("vhost-user")
            if isinstance(told, dict) and told.get("path") in sockets:
                os.unlink(self.name, dir_fd=fd)
            os.close(fd)


# --- one call ---

def digest(length, *texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:length]


class Network:
    """A network's configuration."""

    def __init__(self, conf, raw):
        self.conf, self.raw = conf, raw
        self.name = conf.get("name")
        if not isinstance(self.name, str) or WORD.fullmatch(self.name) is None:
            raise CniError(CONFIG, "Invalid value of name", json.dumps(self.name))
        check_fields(conf, PLACES)
        self.runtime = self.object_of("runtimeConfig")
        self.ipam = self.object_of("ipam")
        self.prefix = PREFIX + digest(8, self.name) + "_"

    def object_of(self, key):
        value = self.conf.get(key) or {}
        if not isinstance(value, dict):
            raise CniError(CONFIG, f"Invalid value of {key}", json.dumps(value))
        return value

    def get(self, key):
        return self.conf.get(key, DEFAULTS.get(key))

    def port_name(self, container, ifname):
        return self.prefix + digest(16, self.name, container, ifname)

    def delegate(self, command):
        """Have the IPAM plugin do the same; its result."""
        if not self.ipam:
            return {}
        kind = self.ipam.get("type")
        if not isinstance(kind, str) or WORD.fullmatch(kind) is None:
            raise CniError(CONFIG, "Invalid value of ipam", json.dumps(self.ipam))
        path = shutil.which(kind, path=os.environ.get("CNI_PATH", ""))
        if path is None or not path.startswith("/"):
            raise CniError(ENVIRONMENT, "CNI_PATH has no such IPAM plugin", kind)
        done = subprocess.run([path], input=self.raw, stdout=subprocess.PIPE, check=False,
                              env=os.environ | {"CNI_COMMAND": command})
        try:
            said = json.loads(done.stdout) if done.stdout.strip() else {}
            said.get("code")
        except (ValueError, AttributeError) as e:
            raise CniError(DECODE, f"The answer of {kind} is not JSON", str(e)) from e
        if done.returncode != 0:
            code = said["code"] if is_whole(said.get("code"), 1, 999) else UNEXPECTED
            raise CniError(code, f"{kind}: {said.get('msg', command)}", str(said.get("details", "")))
        return said


class Attachment:
    """A network of a container."""

    def __init__(self, network, container, ifname):
        self.network, self.container, self.ifname = network, container, ifname
        if WORD.fullmatch(self.container) is None:
            raise CniError(ENVIRONMENT, "Invalid CNI_CONTAINERID", repr(self.container))
        if WORD.fullmatch(self.ifname) is None or len(self.ifname) > IFNAME_MAX:
            raise CniError(ENVIRONMENT, "Invalid CNI_IFNAME", repr(self.ifname))
        pairs = (pair.partition("=") for pair in os.environ.get("CNI_ARGS", "").split(";"))
        self.args = {key: value for key, _, value in pairs}
        self.identity = (network.name, self.container, self.ifname)
        self.port = network.port_name(self.container, self.ifname)
        self.socket_name = f"{self.ifname}.sock"
        self.config_name = f"configData-{self.container[:12]}-{self.ifname}.json"
        self.files = [self.socket_name, self.config_name]
        path = network.runtime.get("CNIDeviceInfoFile")
        self.device_info = None if path is None else DeviceInfo(path)

    @classmethod
    def called_for(cls, network):
        return cls(network, os.environ.get("CNI_CONTAINERID", ""), os.environ.get("CNI_IFNAME", ""))

    def pod(self):
        """The pod's UID, None when the runtime does not tell."""
        uid = self.args.get("K8S_POD_UID", "")
        return uid if WORD.fullmatch(uid) and len(uid) <= VM_MAX else None

    def folder_name(self):
        """The name of the folder the pod sees, None when the runtime does not tell the pod's."""
        return self.pod() if self.network.get("folderName") == "pod" else self.container

    def path(self):
        """The socket, as the switch and this host see it."""
        name = self.folder_name()
        if name is None:
            raise CniError(ENVIRONMENT, "Invalid CNI_ARGS", '"folderName": "pod" needs K8S_POD_UID')
        path = f"{self.network.get('folder')}/{name}/{self.socket_name}"
        if len(path) > SOCKET_PATH_MAX:
            raise CniError(CONFIG, "The path of the socket is too long",
                           f"{path}: {len(path)} bytes of {SOCKET_PATH_MAX}: choose a shorter folder")
        return path

    def pod_path(self):
        """The socket, as the pod sees it."""
        folder = self.network.get("podFolder")
        return self.path() if folder is None else f"{folder}/{self.socket_name}"

    def mac(self):
        """The guest's address: the runtime's, the network's, or one made of the names."""
        for value in (self.network.runtime.get("mac"), self.args.get("MAC"), self.network.get("mac")):
            if value:
                if not is_mac(value):
                    raise CniError(CONFIG, "Invalid value of mac", json.dumps(value))
                return value.lower()
        return ":".join(["02"] + re.findall("..", digest(10, self.network.name, self.container, self.ifname)))

    def devargs(self):
        get = self.network.get
        keys = {"iface": self.path(), "queues": get("queues"), "mode": get("socketMode"), "mac": self.mac(),
                "vm": self.pod() or self.container[:VM_MAX]}
        if get("listens") == "pod":
            keys["client"] = 1
        for key in ("mtu", "format"):
            if get(key) is not None:
                keys[key] = get(key)
        for key in ("tso", "packed"):
            if get(key) is not None:
                keys[key] = int(get(key))
        return self.port + "".join(f",{key}={value}" for key, value in keys.items())

    def device_info_value(self):
        mode = "client" if self.network.get("listens") == "switch" else "server"
        return {"type": "vhost-user", "version": DEVICE_INFO_VERSION,
                "vhost-user": {"mode": mode, "path": self.pod_path()}}

    def config_data(self, result):
        """As userspace CNI writes it into the folder, for the application in the pod."""
        mode = self.device_info_value()["vhost-user"]["mode"]
        config = {"engine": "vqswitch", "iftype": "vhostuser", "netType": "interface",
                  "vhost": {"mode": mode, "socketfile": self.socket_name}}
        return {"containerId": self.container, "ifName": self.ifname, "name": self.network.name,
                "config": config, "ipResult": result}


def vlan_settings(vlan):
    vlan = vlan if isinstance(vlan, dict) else {"access": vlan} if vlan else {}
    words = [f"access {vlan['access']}"] if "access" in vlan else []
    for ranges in [vlan_ranges(vlan["trunk"])] if "trunk" in vlan else []:
        words.append("trunk " + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges))
    words += [f"{key} {vlan[key]}" for key in ("native", "qinq") if key in vlan]
    return words


def settings(attachment, addresses):
    """The words behind "set port N" for what the network says, as "show config" has them."""
    get, mac = attachment.network.get, attachment.mac()
    words = [f"domain {get('domain')}"] if get("domain") else []
    words += [f"vlan {word}" for word in vlan_settings(get("vlan"))]
    words += ["isolated on"] if get("isolated") else []
    for key, name in (("rate", "rate"), ("egressRate", "egress-rate")):
        words += [f"{name} {unit} {value}" for unit, value in (get(key) or {}).items()]
    words += [f"storm pps {get('storm')}"] if get("storm") else []
    words += [f"source-lock {mac}"] if get("sourceLock") else []
    if get("guard"):
        words += [*(f"guard add {address} {mac}" for address in addresses), "guard dhcp on", "guard ra on"]
    return words


def addresses_of(result):
    try:
        return [str(ipaddress.ip_interface(ip["address"]).ip) for ip in result.get("ips") or []]
    except (KeyError, TypeError, ValueError) as e:
        raise CniError(DECODE, "Invalid addresses in a result", str(e)) from e


# --- commands ---

def make_folder(attachment, base, uid):
    """The folder of the pod: to the switch alone, as long as the port is not complete."""
    get, name = attachment.network.get, attachment.folder_name()
    with contextlib.suppress(FileExistsError):  # of another interface of the pod
        os.mkdir(name, 0o700, dir_fd=base)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base)
    found = os.fstat(fd)
    if found.st_uid not in (os.geteuid(), uid):
        raise CniError(CONFIG, "The folder of the container is somebody else's", name)
    group = get("group")
    group = grp.getgrnam(group).gr_gid if isinstance(group, str) else -1 if group is None else group
    os.fchown(fd, uid, group)
    if not found.st_mode & stat.S_ISGID:
        os.fchmod(fd, stat.S_ISGID | 0o700)
    return fd


def folder_mode(get):
    """Sockets get the folder's group (setgid), also when the switch makes them anew after a crash."""
    bits, others = int(get("socketMode"), 8), 0o077 if get("listens") == "pod" else 0o055
    return stat.S_ISGID | 0o700 | others & ((0o070 if bits & 0o070 else 0) | (0o007 if bits & 0o007 else 0))


def result_of(network, attachment, ipam):
    """The result object: what came before, and our interface with the addresses of IPAM."""
    result = json.loads(json.dumps(network.object_of("prevResult")))
    result["cniVersion"] = network.conf["cniVersion"]
    interface = {"name": attachment.ifname, "mac": attachment.mac(), "sandbox": os.environ["CNI_NETNS"]}
    if network.conf["cniVersion"] == "1.1.0":
        interface["socketPath"] = attachment.path()
        if network.get("mtu"):
            interface["mtu"] = network.get("mtu")
    interfaces = result.setdefault("interfaces", [])
    interfaces.append(interface)
    addresses_of(ipam)
    for ip in ipam.get("ips") or []:
        result.setdefault("ips", []).append(ip | {"interface": len(interfaces) - 1})
    if ipam.get("routes"):
        result.setdefault("routes", []).extend(ipam["routes"])
    dns = ipam.get("dns") or network.object_of("dns")
    if dns:
        result["dns"] = dns
    return result


def detach(switch, name):
    """Remove a port if it is there; its socket's path."""
    port = switch.ports().get(name)
    if port is not None:
        switch.run([f"port detach {name}"])
    return port and socket_of(port)


def make(attachment, switch):
    """All that ADD leaves; its result."""
    network = attachment.network
    ipam = network.delegate("ADD")
    result = result_of(network, attachment, ipam)
    with base_folder(network.get("folder"), create=True) as base:
        folder = make_folder(attachment, base, switch.uid)
        write_new(attachment.config_name, attachment.config_data(result), folder, 0o644)
        words = settings(attachment, addresses_of(ipam))
        vlan = "".join(f"{word.replace(' access', '')} " for word in words if word.startswith("vlan access "))
        switch.run([f"port attach domain {network.get('domain') or 0} {vlan}{attachment.devargs()}"] +
                   [f"set port {attachment.port} {word}" for word in words])
        if attachment.device_info is not None:
            attachment.device_info.write(attachment.device_info_value())
        os.fchmod(folder, folder_mode(network.get))
    return result


def add(network):
    """ADD: all, or nothing is left of it."""
    attachment = checked(network)
    if not os.environ.get("CNI_NETNS"):
        raise CniError(ENVIRONMENT, "Invalid CNI_NETNS", "it is empty")
    switch = Switch(network.get("control"))
    if attachment.port in switch.ports():
        raise CniError(EXISTS, "The container has this interface", f"{attachment.port}: DEL removes it")
    try:
        return make(attachment, switch)
    except BaseException:
        with contextlib.suppress(CniError, OSError):
            remove(attachment)
        raise


def remove(attachment):
    """All that ADD made, or what there is of it."""
    network, switch, path = attachment.network, None, None
    with contextlib.suppress(NotThere):
        switch = Switch(network.get("control"))
        path = detach(switch, attachment.port)
    claims = [] if path is None else [attachment.identity]
    if path is None and attachment.folder_name() is not None:
        path = f"{network.get('folder')}/{attachment.folder_name()}/{attachment.socket_name}"
    if path is not None:
        clean(attachment, switch, os.path.dirname(path), claims)
    if attachment.device_info is not None:
        attachment.device_info.remove([path, f"{network.get('podFolder')}/{attachment.socket_name}"])
    network.delegate("DEL")


def clean(attachment, switch, path, claims=()):
    """Remove its files, and a folder no other needs. Files that tell whose it was a pod can remove."""
    network, (parent, _, name) = attachment.network, path.rpartition("/")
    if parent != network.get("folder") or WORD.fullmatch(name) is None or not os.path.isdir(parent):
        return
    with base_folder(parent) as base:
        used = [] if switch is None else [socket_of(port) for port in switch.ports().values()]
        if attachment.identity in [*claims, *attachments_in(base, name, attachment.config_name)]:
            # a pod's sandbox may have a successor, with the same folder, before it is removed
            files = [file for file in attachment.files if f"{path}/{file}" not in used]
            remove_files(base, name, files, switch is not None and path not in map(os.path.dirname, used))


def delete(network):
    """DEL: succeeds when there is nothing."""
    remove(Attachment.called_for(network))


def checked(network):
    """The attachment; all values are such as may stand in a command."""
    check_keys(network.conf)
    attachment = Attachment.called_for(network)
    attachment.devargs()
    return attachment


def previous_of(attachment):
    """(our interface in the previous result, its addresses)"""
    previous = attachment.network.object_of("prevResult")
    try:
        found = [(i, one) for i, one in enumerate(previous["interfaces"])
                 if one["name"] == attachment.ifname and one["sandbox"]]
        number, interface = found[-1]
        ips = [ip for ip in previous.get("ips") or [] if ip.get("interface") == number]
        return interface, addresses_of({"ips": ips})
    except (AttributeError, IndexError, KeyError, TypeError) as e:
        raise CniError(CONFIG, "Invalid value of prevResult", f"no interface {attachment.ifname}") from e


def differs(found, expected):
    if found != expected:
        raise CniError(DIFFERS, "The port is not as it was made", f"{found}, expected {expected}")


def check(network):
    attachment = checked(network)
    interface, addresses = previous_of(attachment)
    switch = Switch(network.get("control"))
    port = switch.ports().get(attachment.port)
    if port is None:
        raise CniError(DIFFERS, "The switch does not have the port", attachment.port)
    differs({"socket": socket_of(port), "mac": port["mac"].lower(), "domain": port["domain"]},
            {"socket": attachment.path(), "mac": str(interface.get("mac")).lower(),
             "domain": network.get("domain")})
    if network.get("listens") == "switch" and not stat.S_ISSOCK(os.lstat(attachment.path()).st_mode):
        raise CniError(DIFFERS, "The file is not a socket", attachment.path())
    said = switch.run(["show config"])[0].lower().splitlines()
    lines = [line.partition(f"set port {port['id']} ")[2] for line in said]
    wanted = settings(attachment, addresses if network.ipam else [])
    sets = ("vlan ", "guard add ") if network.get("guard") else "vlan "
    differs({word for word in lines if word in wanted or word.startswith(sets)}, set(wanted))
    network.delegate("CHECK")


def ready(network):
    check_keys(network.conf)
    try:
        Switch(network.get("control")).json("show switch json")
    except CniError as e:
        raise CniError(UNAVAILABLE if e.code == REFUSED else LIMITED, e.msg, e.details) from e
    network.delegate("STATUS")


def valid_attachments(network):
    """{(network, container, interface)} that stay. libcni has the older key, too."""
    listed = network.conf.get("cni.dev/valid-attachments", network.conf.get("cni.dev/attachments"))
    try:
        return {(network.name, one["containerID"], one["ifname"]) for one in listed}
    except (TypeError, KeyError) as e:
        raise CniError(CONFIG, "Invalid value of cni.dev/valid-attachments", json.dumps(listed)) from e


def collect_files(network, switch, valid):
    """Remove the files of attachments of this network that are not valid."""
    folder = network.get("folder")
    if not os.path.isdir(folder):
        return
    with base_folder(folder) as base:
        claims = [(name, claim) for name in os.listdir(base) for claim in attachments_in(base, name)]
    for name, claim in claims:
        if claim[0] == network.name and claim not in valid:
            with contextlib.suppress(CniError):  # a claim of a pod's that is none
                clean(Attachment(network, *claim[1:]), switch, f"{folder}/{name}", [claim])


def collect(network):
    """GC: neither ADD nor DEL runs meanwhile. It goes on after an error."""
    valid, errors = valid_attachments(network), []
    kept = {network.port_name(*one[1:]) for one in valid}
    switch = Switch(network.get("control"))
    for name in switch.ports():
        if name.startswith(network.prefix) and name not in kept:
            try:
                detach(switch, name)
            except CniError as e:
                errors.append(e)
    try:
        if not errors:
            collect_files(network, switch, valid)
        network.delegate("GC")
    except CniError as e:
        errors.append(e)
    if errors:
        raise CniError(errors[0].code, errors[0].msg, "; ".join(e.details for e in errors))


# command: function, the first version that has it
COMMANDS = {"ADD": (add, 0), "DEL": (delete, 0), "CHECK": (check, 0), "STATUS": (ready, 2),
            "GC": (collect, 2)}


def read_conf():
    raw = sys.stdin.buffer.read()
    try:
        conf = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as e:
        raise CniError(DECODE, "The network configuration is not JSON", str(e)) from e
    if not isinstance(conf, dict):
        raise CniError(DECODE, "The network configuration is no object")
    return conf, raw


def serve(command, conf, raw):
    """Execute a command; the object to print, None: none."""
    version = conf.get("cniVersion")
    if command == "VERSION":
        return {"cniVersion": version or VERSIONS[-1], "supportedVersions": VERSIONS}
    if command not in COMMANDS:
        raise CniError(ENVIRONMENT, "Invalid CNI_COMMAND", repr(command))
    if version not in VERSIONS:
        raise CniError(VERSION, "Incompatible CNI version", f"{json.dumps(version)} is none of {VERSIONS}")
    function, first = COMMANDS[command]
    if VERSIONS.index(version) < first:
        raise CniError(VERSION, "Incompatible CNI version", f"{command} came with {VERSIONS[first]}")
    return function(Network(conf, raw))


def main():
    # a runtime that has lost patience: what was made is removed on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.umask(0o022)
    conf, error = {}, None
    try:
        conf, raw = read_conf()
        result = serve(os.environ.get("CNI_COMMAND", ""), conf, raw)
    except CniError as e:
        error = e
    except OSError as e:
        error = CniError(IO, "A file cannot be used", str(e))
    except Exception as e:  # pylint: disable=broad-exception-caught
        error = CniError(UNEXPECTED, "Unexpected", f"{type(e).__name__}: {e}")
    if error is not None:
        version = conf["cniVersion"] if conf.get("cniVersion") in VERSIONS else VERSIONS[-1]
        result = {"cniVersion": version, "code": error.code, "msg": error.msg, "details": error.details}
    if result is not None:
        print(json.dumps(result, indent=4))
    return 0 if error is None else 1


if __name__ == "__main__":
    sys.exit(main())
