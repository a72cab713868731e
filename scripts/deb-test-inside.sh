# shellcheck shell=bash
# The part of scripts/deb-test that runs on the throwaway machine, as its process 1: when it ends, all ends.
set -euo pipefail
cd /tmp/deb-test
readonly plain_path=$PATH

step() { printf '\n== %s\n' "$*"; }
held=0
holds() { printf '  %s\n' "$*"; held=$((held + 1)); }
fail() {
    printf 'deb-test: NOT AS IT SHOULD BE: %s\n' "$*" >&2
    for log in *.log; do printf -- '--- %s\n' "$log"; tail -n 20 "$log"; done >&2
    exit 1
}
# must WORDS COMMAND…; must_fail CODE PATTERN WORDS COMMAND…
must() {
    local words=$1
    shift
    "$@" >last.log 2>&1 || fail "$words: exit code $? of: $*"
    holds "$words"
}
must_fail() {
    local code=0 pattern=$2 words=$3 wanted=$1
    shift 3
    "$@" >last.log 2>&1 || code=$?
    ((code == wanted)) || fail "$words: exit code $code, not $wanted, of: $*"
    grep -qE -- "$pattern" last.log || fail "$words: it does not say '$pattern': $*"
    holds "$words"
}
soon() { # WORDS COMMAND…: within ten seconds
    local words=$1 try
    shift
    for ((try = 0; try < 200; try++)); do
        ! "$@" >last.log 2>&1 || return 0
        sleep 0.05
    done
    fail "$words: not within ten seconds"
}
number() { local text; text=$(cat "$1" 2>/dev/null) || text=0; printf '%s' "${text:-0}"; }
is_more() { [[ $(number "$1") =~ ^[0-9]+$ ]] && (($(number "$1") > $2)); }

# All that there is of a machine, but for what dpkg and the tools for users note for themselves.
snapshot() {
    find /etc /usr /var /run \( -path /var/lib/dpkg -o -path /var/cache/man -o -path /var/cache/ldconfig -o -path /var/log/dpkg.log \
        -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path /run/systemd -o -path /run/mount \) -prune -o -printf '%p %y %m %u %g %l\n' | sort
    find /etc -type f ! -path '/etc/*-' ! -name .pwd.lock -exec md5sum {} + | sort -k 2
    compgen -G '/var/lib/dpkg/info/hive.*' || true
    getent passwd; getent group
    ip -o link show | awk -F': ' '{ print "link", $2 }'
    nft list tables; ip rule; ip -6 rule; ip route show table all; ls /run/netns
    findmnt --noheadings --list --output TARGET
}
libraries_are_found() {
    local found
    found=$(ldd "$1") && [[ $found == *"libc.so.6 => /"* && $found != *"not found"* ]]
}
same_as_before() { # WORDS
    snapshot >after.snapshot
    diff -u before.snapshot after.snapshot >diff.log || fail "$1: see diff.log"
    holds "$1"
}
repack() { # VERSION: the package, as another version
    rm -rf tree
    dpkg-deb -R hive.deb tree
    sed -i "s/^Version: .*/Version: $1/" tree/DEBIAN/control
    dpkg-deb --root-owner-group -Znone --build tree "hive-$1.deb" >/dev/null
    rm -rf tree
}

# --- The network, before anything is installed -----------------------------------------------------------------

[[ ! -e /var/lib/dpkg/info/hive.list ]] || dpkg --purge hive >/dev/null
rm -rf /etc/hive /var/lib/hive /usr/local/bin/{hivectl,hived,hive-web}
for name in hive-web hive-admin; do userdel "$name" 2>/dev/null || groupdel "$name" 2>/dev/null || true; done
ip link set lo up
ip netns add outside
ip link add uplink type veth peer name eth0 netns outside
ip address add 203.0.113.2/24 dev uplink
ip link set uplink up
ip -n outside address add 203.0.113.1/24 dev eth0
ip -n outside address add 198.51.100.1/32 dev lo
ip -n outside link set lo up
ip -n outside link set eth0 up
ip route add default via 203.0.113.1
echo 1 >/proc/sys/net/ipv4/ip_forward
# (Link-local addresses are known to be unique after a while.)
are_settled() { [[ -z $(ip -o address show tentative; ip -n outside -o address show tentative) ]]; }
soon "addresses" are_settled
snapshot >before.snapshot
[[ $(wc -l <before.snapshot) -gt 1000 ]] || fail "The look at the machine sees nothing."

configure() {
    mkdir -p /etc/hive
    cat >/etc/hive/hive.json <<'END'
{ agents: { alpha: { web: { port: 8080 }, egress: { allow: ["198.51.100.0/24:8081/tcp"] } }, beta: {} } }
END
}
version=$(dpkg-deb --field hive.deb Version)
repack "$version+1"
repack "$version+2"

step "Installation, without systemd"
must "dpkg installs it" dpkg --install hive.deb
for name in hivectl hived hive-web hive-cni; do
    must "$name runs" "/usr/bin/$name" --version
    must "its libraries are found" libraries_are_found "/usr/bin/$name"
done
[[ $(stat -c '%a %U %G' /run/hive /run/hive/agents /var/lib/hive) == $'751 root root\n700 root root\n755 root root' ]] || fail "directories' modes"
holds "the directories have their modes"
must "there is the user hive-web" getent passwd hive-web
must "there is the group hive-admin" getent group hive-admin
! snapshot | diff -q before.snapshot - >/dev/null || fail "The look at the machine does not see a package."
holds "the look at the machine sees the package"

step "The demo, by the installed programs"
must "scripts/demo" env HIVE_BIN=/usr/bin bash checkout/scripts/demo
grep -qE '^All [0-9]+ expectations held' last.log || fail "The demo does not say that all held."
holds "$(grep -E '^All [0-9]+ expectations held' last.log)"

step "The boundary, by the installed programs"
configure
must "hivectl net apply" hivectl net apply
must "hivectl net verify" hivectl net verify
lease() { hivectl net show alpha | sed -nE 's/^alpha +([0-9.]+) .*/\1/p'; }
leased=$(lease)
[[ -n $leased ]] || fail "alpha has no address."

step "hive-nspawn@.service: what has to be so before a container starts"
# Runs its ExecStartPre lines for an agent, as systemd would. (Which words it makes of a line is the shell's way here, too.)
conditions() { # AGENT
    local line
    grep '^ExecStartPre=' /usr/lib/systemd/system/hive-nspawn@.service |
        sed "s/^ExecStartPre=//; s/%i/$1/g; s/\\$\\$/\$/g" >conditions
    [[ $(wc -l <conditions) == 4 ]] || return 99
    while IFS= read -r line; do bash -c "$line" || return; done <conditions
}
must "the boundary holds" conditions alpha
[[ $(stat -c %a /run/hive/agents{,/alpha} /var/lib/hive/agents/alpha{,/state}) == $'700\n755\n700\n755' ]] || fail "directories' modes"
holds "directories are as hived makes them"
must_fail 1 'no network namespace /run/netns/hive-gamma.*hivectl net apply' "there is no namespace" conditions gamma
nft delete table inet hive
must_fail 1 '^DRIFT: ' "there are no rules" conditions "alpha"
must "hivectl net apply" hivectl net apply

step "Upgrades, while a watcher runs and packets are sent"
# systemctl, as far as the package's scripts use it. There is no systemd to be process 1 here; that the scripts ask for no more is seen in
# systemctl.log.
mkdir bin
cat >bin/systemctl <<'END'
#!/bin/bash
cd /tmp/deb-test
echo "$*" >>systemctl.log
is_there() { [[ -f watcher && -e /proc/$(<watcher) ]]; }
end() { is_there || return 0; kill "$(<watcher)"; for i in {1..200}; do is_there || return 0; sleep 0.05; done; exit 1; }
start() {
    setsid hivectl net watch >>watch.log 2>&1 </dev/null &
    echo $! >watcher
    for i in {1..200}; do [[ -S /run/hive/net.sock ]] && hivectl net plan >/dev/null 2>&1 && return; sleep 0.05; done
    exit 1
}
case "$*" in
    "start hive-net.service") start ;;
    "try-restart hive-net.service") ! is_there || { end; start; } ;;
    "stop "*" hive-net.service") end ;;
    "daemon-reload" | "try-restart "*) ;;
    *) echo "systemctl $*: not expected" >&2; exit 1 ;;
esac
END
chmod +x bin/systemctl
bin/systemctl start hive-net.service
role() { # NAMESPACE ROLE ARGUMENTS…: in a namespace, without power over links, as in a container
    local inside=()
    [[ $1 == host ]] || inside=(ip netns exec "$1")
    shift
    setsid "${inside[@]}" setpriv --no-new-privs --inh-caps=-all --bounding-set=-all python3 deb-test.py "$@" >>roles.log 2>&1 </dev/null &
    pids+=($!)
}
end_roles() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    pids=()
}
pids=()
role host listen arrived 9000
role hive-alpha echo 8080
role outside echo 8081
soon "the listener" test -s arrived
role hive-alpha send sent 10.77.0.1 9000
role host talk in "$leased" 8080
role hive-alpha talk out 198.51.100.1 8081
for file in sent in out; do soon "$file" is_more "$file" 5; done

undisturbed() { # WORDS COMMAND…: while it runs nothing arrives, and what is allowed goes on
    local words=$1 file first arrived
    local -A after
    shift
    first=$(number sent) arrived=$(number arrived)
    must "$words" "$@"
    # A while longer, for what comes late.
    for file in sent in out; do after[$file]=$(number "$file"); done
    for file in sent in out; do soon "$file goes on (${after[$file]})" is_more "$file" "$((${after[$file]} + 10))"; done
    [[ $(number arrived) == "$arrived" ]] || fail "$words: $(($(number arrived) - arrived)) packets arrived"
    holds "of $((2 * ($(number sent) - first))) packets none arrived; the two connections went on"
}
runs_from() { readlink "/proc/$(<watcher)/exe"; }
undisturbed "an upgrade without systemd" dpkg --install "hive-$version+1.deb"
[[ $(runs_from) == "/usr/bin/hivectl (deleted)" ]] || fail "The watcher is $(runs_from)."
holds "the old watcher goes on"
mkdir -p /run/systemd/system
with_systemd() { PATH=/tmp/deb-test/bin:$plain_path "$@"; }
: >systemctl.log
undisturbed "an upgrade with systemd" with_systemd dpkg --install "hive-$version+2.deb"
[[ $(runs_from) == /usr/bin/hivectl ]] || fail "The watcher is $(runs_from)."
holds "the new watcher runs"
[[ $(<systemctl.log) == $'daemon-reload\ntry-restart hive-net.service\ntry-restart hived.service\ntry-restart hive-web.service\ntry-restart hive-gateway.service' ]] ||
    fail "What systemctl was asked is in systemctl.log."
holds "what ran was restarted, and nothing else was asked of systemd"
exchange() { for _ in {1..20}; do bin/systemctl try-restart hive-net.service || return; done; }
undisturbed "the watcher is replaced twenty times" exchange

step "The control: the same without the boundary"
bin/systemctl stop x hive-net.service
must "the watcher has ended, and the boundary is there" nft list table inet hive
[[ $(number arrived) == 0 ]] || fail "Packets arrived when the watcher had ended."
nft delete table inet hive
nft delete table bridge hive
soon "packets arrive" is_more arrived 20
holds "packets arrive"
must "hivectl net apply" hivectl net apply
sleep 0.3
arrived=$(number arrived) sent=$(number sent)
soon "it goes on sending" is_more sent $((sent + 20))
[[ $(number arrived) == "$arrived" ]] || fail "Packets arrive although the boundary is there again."
holds "and no more arrive when it is there again"
undisturbed "an upgrade where no watcher is" with_systemd dpkg --install "hive-$version+2.deb"

step "Removal"
bin/systemctl start hive-net.service
# (dpkg's own code for a script that failed is 1.)
must_fail 1 'agents run: alpha' "it is refused while an agent runs" with_systemd dpkg --remove hive
must "and nothing has changed" hivectl net plan
bin/systemctl stop x hive-net.service
arrived=$(number arrived) sent=$(number sent)
must "hivectl net down, while it sends" hivectl net down
soon "it goes on trying" is_more sent $((sent + 20))
[[ $(number arrived) == "$arrived" ]] || fail "Packets arrived when the network was taken down."
holds "none arrived: it is cut off, and not let out"
must "an agent that is cut off is in nobody's way" with_systemd dpkg --remove hive
[[ ! -e /usr/bin/hivectl && -f /etc/hive/hive.json && -f /var/lib/hive/leases.json ]] || fail "what is left after a removal"
holds "configuration and leases are left"
end_roles

step "Installation over what is left"
chmod 777 /run/hive
must "dpkg installs it" with_systemd dpkg --install hive.deb
[[ $(stat -c %a /run/hive) == 751 ]] || fail "/run/hive has the mode $(stat -c %a /run/hive)."
must "the watcher starts" bin/systemctl start hive-net.service
[[ $(lease) == "$leased" ]] || fail "alpha has another address than $leased."
holds "alpha has its address again"
must "hivectl net verify" hivectl net verify

step "Purging"
rm -r /run/systemd
must_fail 1 'A watcher \(process [0-9]+\)' "a watcher that systemd does not know of is in the way" dpkg --purge hive
must "and nothing has changed" hivectl net plan
mkdir -p /run/systemd/system /etc/systemd/system/multi-user.target.wants
ln -s /usr/lib/systemd/system/hive-net.service /etc/systemd/system/multi-user.target.wants/
must "dpkg purges it" with_systemd dpkg --purge hive
same_as_before "nothing is left of it: files, users, groups, links, tables, routes, namespaces, mounts"
rm -r /run/systemd
groupadd --system hive-admin
must "dpkg installs it where a group is there" dpkg --install hive.deb
must "dpkg purges it" dpkg --purge hive
must "the group is there still" getent group hive-admin
groupdel hive-admin
same_as_before "nothing else is left"

step "scripts/install"
must "it installs" checkout/scripts/install
must "again" checkout/scripts/install
must "the group and the user are made" systemd-sysusers hive-admin.conf hive-web.conf
configure
must "hivectl net apply" /usr/local/bin/hivectl net apply
must_fail 1 'hivectl net down' "it does not uninstall while there is a network" checkout/scripts/install --uninstall
must "hivectl net down" /usr/local/bin/hivectl net down
must "it uninstalls" checkout/scripts/install --uninstall
[[ -f /etc/hive/hive.json && -d /var/lib/hive ]] || fail "what is left after --uninstall"
holds "the operator's files are left"
rm -rf /etc/hive /var/lib/hive /run/hive
userdel hive-web
groupdel hive-admin
same_as_before "nothing else is left"

step "Result"
printf 'All %d expectations held. Nothing of it is left on this machine.\n' "$held"
