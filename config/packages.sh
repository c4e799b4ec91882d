# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The one list of Debian 12 packages the project needs. Sourced by ./run and ./check.

# shellcheck disable=SC2034 # used by those who source this file
PACKAGES_BUILD=(
    gcc libc6-dev meson ninja-build pkg-config
    libdpdk-dev libnuma-dev libbsd-dev libjansson-dev libmnl-dev
)

# tiny guests and what boots them
# shellcheck disable=SC2034
PACKAGES_GUESTS=(
    python3 cpio qemu-system-x86 debian-archive-keyring
)

# what Open vSwitch needs, which ./check fetches but does not install
PACKAGES_OVS=(libunbound8 libxdp1 libbpf1 libcap-ng0)

# everything ./check runs: unit, functional, fuzz and lint
# shellcheck disable=SC2034
PACKAGES_CHECK=(
    libcmocka-dev
    dpdk-dev qemu-system-misc python3-scapy iproute2 python3-prometheus-client
    clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
    cppcheck codespell shellcheck universal-ctags pylint
    "${PACKAGES_OVS[@]}"
)

# packages_missing NAME... - print those that are not installed
packages_missing() {
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
    done
}

# packages_install NAME... - install what is missing; says what to do when it may not
packages_install() {
    local missing
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages (run with sudo to have them installed): ${missing[*]}" >&2
        return 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q &&
        apt-get install -q -y --no-install-recommends "${missing[@]}"
}
