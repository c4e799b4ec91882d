# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The one list of Debian packages the project needs. Sourced by ./run, ./check and test/debian.
#
# The Debian releases it is built for, oldest first, and what differs between them, are in the
# table below; nothing else names a release. PACKAGES_RELEASE chooses another one than the host's.

# number: codename, LLVM, package of qemu-system-s390x
declare -A DEBIAN_RELEASES=(
    [12]='bookworm 14 qemu-system-misc'
    [13]='trixie 19 qemu-system-s390x'
)

# The release of this system; one that is not in the table is treated as the newest.
packages_release() {
    local id
    # shellcheck source=/dev/null
    id=${PACKAGES_RELEASE:-$(. /etc/os-release && echo "${VERSION_ID:-}")}
    [ -n "${DEBIAN_RELEASES[${id:-0}]:-}" ] ||
        id=$(printf '%s\n' "${!DEBIAN_RELEASES[@]}" | sort -n | tail -n 1)
    echo "$id"
}
# shellcheck disable=SC2034 # some are for those who source this file
read -r DEBIAN_CODENAME LLVM QEMU_S390X <<<"${DEBIAN_RELEASES[$(packages_release)]}"

# shellcheck disable=SC2034 # used by those who source this file
PACKAGES_BUILD=(
    gcc libc6-dev meson ninja-build pkg-config
    libdpdk-dev libbsd-dev libjansson-dev libmicrohttpd-dev libmnl-dev
    libedit-dev libncurses-dev
)

# tiny guests and what boots them
# shellcheck disable=SC2034
PACKAGES_GUESTS=(
    python3 cpio qemu-system-x86 debian-archive-keyring
)

# what Open vSwitch needs, which ./check fetches but does not install
PACKAGES_OVS=(libunbound8 libxdp1 libbpf1 libcap-ng0)

# what ./check quick runs
# shellcheck disable=SC2034
PACKAGES_QUICK=(
    libcmocka-dev
    dpdk-dev "$QEMU_S390X" python3-scapy iproute2 python3-prometheus-client python3-yaml
)

# lint that is fast, which ./check quick runs under the release that all is developed on
# shellcheck disable=SC2034
PACKAGES_LINT=(codespell shellcheck universal-ctags pylint)

# and what ./check runs besides
# shellcheck disable=SC2034
PACKAGES_CHECK=(
    "clang-$LLVM" "clang-format-$LLVM" "clang-tidy-$LLVM" "libclang-rt-$LLVM-dev"
    cppcheck gcovr
    mmdebstrap # an unpacked Debian of another release, and libraries of another architecture
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
    "${PACKAGES_OVS[@]}"
)

# The mirror this machine gets packages from.
packages_mirror() {
    local from
    # shellcheck disable=SC2016 # apt's own variables
    from=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^main //p' | head -n 1)
    echo "${from:-http://deb.debian.org/debian}"
}

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
