# shellcheck shell=bash
# What the scripts share. They are run from anywhere; everything below happens at the top of the checkout.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# What the builds below make.
# shellcheck disable=SC2034
readonly hivectl=.build/release/hivectl bundle=.build/debug/hivePackageTests.xctest

step() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Installs the Debian packages that are missing.
need_packages() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    local become=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "Some packages are missing. As root: apt-get install ${missing[*]}"
        become=(sudo)
    fi
    step "Installing ${missing[*]}"
    "${become[@]}" apt-get update -qq
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends "${missing[@]}"
}

# nginx and its module njs, without the service that Debian starts with it: whoever has it installed for this has no use for one.
need_idle_nginx() {
    local policy=/usr/sbin/policy-rc.d
    if ((EUID == 0)) && [[ ! -e $policy && ! -x /usr/sbin/nginx ]]; then
        # invoke-rc.d asks it; 101: not allowed.
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        (need_packages nginx libnginx-mod-http-js) || { rm -f "$policy"; exit 1; }
        rm -f "$policy"
    else
        need_packages nginx libnginx-mod-http-js
    fi
}

# Finds the toolchain; sudo has a PATH of its own, which seldom has it.
need_swift() {
    local home=~
    [[ -z ${SUDO_USER:-} ]] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    PATH=$PATH:/opt/swift/usr/bin:/usr/local/swift/usr/bin:$home/.local/share/swiftly/bin:$home/swift/usr/bin
    command -v swift >/dev/null ||
        fail "There is no Swift toolchain in PATH: see https://www.swift.org/install (6.3 is needed)."
    local version
    version=$(as_owner swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
    [[ $(printf '%s\n' 6.3 "$version" | sort --version-sort | head -n 1) == 6.3 ]] ||
        fail "Swift 6.3 is needed, and $(command -v swift) is ${version:-of an unknown version}."
}

# Runs a command as the owner of the checkout, so that `sudo scripts/test` leaves no files that only root can
# remove. An owner without a home cannot run the compiler, which keeps a cache there.
as_owner() {
    local owner home
    owner=$(stat --format %U .)
    home=$(getent passwd "$owner" | cut -d: -f6) || true
    if ((EUID == 0)) && [[ $owner != root && -d $home ]]; then
        runuser -u "$owner" -- env HOME="$home" PATH="$PATH" "$@"
    else
        "$@"
    fi
}

# The release build, as it is shipped: of these programs.
build_release() { # PRODUCT…
    local product
    for product in "$@"; do as_owner swift build -c release --static-swift-stdlib --product "$product"; done
}

build_tests() { as_owner swift build --build-tests; }

# Runs a test run's command line, and fails when it fails, or ran nothing. What the run skipped is said again
# at the end, with the runner's own summary.
run_tests() {
    local log summary
    log=$(mktemp)
    # Without colours the marks at the start of a line are easy to find.
    if ! NO_COLOR=1 "$@" 2>&1 | tee "$log"; then
        grep -E '^. (Test|Suite) .* (recorded an issue|failed)' "$log" >&2 || true
        rm -f "$log"
        fail "Tests failed: $*"
    fi
    summary=$(grep -E '^. Test run with [1-9][0-9]* tests? .*passed' "$log" | tail -n 1) || {
        rm -f "$log"
        fail "No test was run: $*"
    }
    if grep -qE '^. (Test|Suite) .* skipped' "$log"; then
        printf 'Skipped:\n'
        grep -E '^. (Test|Suite) .* skipped' "$log"
        printf '%s\n' "$summary"
    fi
    rm -f "$log"
}
