# shellcheck shell=bash
# The part of scripts/deb-test that runs on the throwaway machine, as its process 1: when it ends, all ends.
set -euo pipefail
# (It makes users, mounts and purges, which nobody wants on a machine that stays.)
(($$ == 1)) || { printf 'deb-test-inside: run sudo scripts/deb-test\n' >&2; exit 64; }
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
    [[ -z $pattern ]] || grep -qE -- "$pattern" last.log || fail "$words: it does not say '$pattern': $*"
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
        -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path /run/systemd -o -path /run/mount \) -prune -o -printf '%p %y %m %u %g %l\n' |
        sort
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
noted() { "$@" >noted.log 2>&1; }
says() { # WORDS PATTERN…: what the last command of `noted` said
    local words=$1 pattern
    shift
    for pattern; do grep -qE -- "$pattern" noted.log || fail "$words: it does not say '$pattern'"; done
    holds "$words"
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
for directory in /usr/local/share/hive /opt/hive; do [[ ! -e $directory ]] || fail "There is an installation already: $directory"; done
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

step "Versions"
version_of() { (cd "$1" && scripts/deb --version); }
is_newer() { dpkg --compare-versions "$1" gt "$2"; }
plain=${version%%+*}
[[ $version == "$(checkout/.build/release/hivectl --version | cut -d ' ' -f 2)+git"* ]] || fail "The version is $version."
must "the package's is newer than the program's alone" is_newer "$version" "$plain"
must_fail 1 '' "(and not the other way round)" is_newer "$plain" "$version"
[[ $(SOURCE_DATE_EPOCH=1800000000 version_of checkout) == "$plain+git20270115.080000" ]] || fail "the version without a history"
holds "where there is no history it is of SOURCE_DATE_EPOCH"
[[ $(version_of checkout) =~ \+git20[0-9]{6}\.[0-9]{6}$ ]] || fail "the version without a history is $(version_of checkout)"
holds "or of the youngest file"
cp -r checkout history
commit() { # SECONDS
    (
        cd history
        git add scripts packaging LICENSE
        GIT_COMMITTER_DATE="@$1 +0000" GIT_AUTHOR_DATE="@$1 +0000" \
            git -c user.name=x -c user.email=x@hive.invalid commit --quiet --allow-empty --message x
    )
}
must "git init" git -c init.defaultBranch=main init --quiet history
commit 1800000000
first=$(version_of history)
[[ $first =~ \+git20270115\.080000\.[0-9a-f]{7}$ && $(version_of history) == "$first" ]] || fail "The version of a commit is $first."
holds "it is the commit's"
cp -r checkout history/inside
[[ $(SOURCE_DATE_EPOCH=1800000000 version_of history/inside) == "$plain+git20270115.080000" ]] || fail "the version inside of a checkout"
holds "sources unpacked in somebody else's checkout do not take that one's"
rm -r history/inside
echo >>history/LICENSE
must "with changes it is newer" is_newer "$(version_of history)" "$first"
commit 1800000001
must "a second later it is newer" is_newer "$(version_of history)" "$first"
must "and than the changes before" is_newer "$(version_of history)" "$first.changed"
rm -r history

step "Installation, without systemd"
recommended=$(dpkg-deb --field hive.deb Recommends)
[[ $recommended == *systemd-container* && $recommended != *nginx* && $(dpkg-deb --field hive.deb Suggests) == *nginx* ]] ||
    fail "recommended are $recommended"
holds "nginx, which Debian starts when it is installed, is suggested only"
must "dpkg installs it" dpkg --install hive.deb
for name in hivectl hived hive-web hive-cni; do
    must "$name runs" "/usr/bin/$name" --version
    must "its libraries are found" libraries_are_found "/usr/bin/$name"
done
[[ $(stat -c '%a %U %G' /run/hive /run/hive/agents /var/lib/hive) == $'751 root root\n700 root root\n755 root root' ]] ||
    fail "directories' modes"
holds "the directories have their modes"
if [[ -f /usr/share/man/man8/hive-cni.8.gz ]]; then
    [[ $(zcat /usr/share/man/man8/hive-netavark.8.gz) == ".so man8/hive-cni.8" || -f checkout/.build/man/hive-netavark.8 ]] ||
        fail "hive-netavark has no page in the manual."
    holds "hive-netavark has its page"
fi
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
    umask 022
    grep '^ExecStartPre=' /usr/lib/systemd/system/hive-nspawn@.service |
        sed "s/^ExecStartPre=//; s/%i/$1/g; s/\\$\\$/\$/g" >conditions
    (($(wc -l <conditions) > 3)) || return 99
    while IFS= read -r line; do bash -c "$line" || return 1; done <conditions
}
rm -r /run/hive
must "the boundary holds" conditions alpha
[[ $(stat -c %a /run/hive{,/agents{,/alpha}} /var/lib/hive/agents{,/alpha{,/state}}) == $'751\n700\n755\n755\n700\n755' ]] ||
    fail "directories' modes: $(stat -c '%a %n' /run/hive{,/agents{,/alpha}} /var/lib/hive/agents{,/alpha{,/state}})"
holds "directories are as hived makes them, where there was none"
must_fail 1 'no network namespace /run/netns/hive-gamma.*hivectl net apply' "there is no namespace" conditions gamma
nft delete table inet hive
must_fail 1 'The boundary does not hold: the network of alpha is not applied' "there are no rules" conditions alpha
# Nor where nobody can say whether there should be some.
nft flush ruleset
mv /etc/hive/hive.json hive.json
printf '{ agents: { alpha: { web: { prot: 8080 } } } }\n' >/etc/hive/hive.json
must_fail 1 'no configuration to compare .*web.prot' "the configuration is wrong" conditions alpha
rm /etc/hive/hive.json
must_fail 1 'no configuration to compare' "there is no configuration" conditions alpha
mv hive.json /etc/hive/hive.json
must "hivectl net apply" hivectl net apply
must "the boundary holds again" conditions alpha

step "Upgrades, while a watcher runs and packets are sent"
# systemctl, as far as the package's scripts use it. There is no systemd to be process 1 here; that the scripts ask for no more is seen in
# systemctl.log.
mkdir bin active broken
cat >bin/systemctl <<'END'
#!/bin/bash
# Of hive-net.service it runs the program; of the others it notes that they are active. What is in broken/ does not come up again.
cd /tmp/deb-test
echo "$*" >>systemctl.log
is_there() { [[ -f watcher && -e /proc/$(<watcher) ]]; }
is_active() { if [[ $1 == hive-net.service ]]; then is_there; else [[ -e active/$1 ]]; fi; }
end() { is_there || return 0; kill "$(<watcher)"; for i in {1..200}; do is_there || return 0; sleep 0.05; done; return 1; }
start() {
    ! is_there || return 0
    setsid hivectl net watch >>watch.log 2>&1 </dev/null &
    echo $! >watcher
    for i in {1..200}; do hivectl net show --json 2>/dev/null | grep -q '"holds" : true' && return; sleep 0.05; done
    return 1
}
verb=$1 code=0
shift
case $verb in
    daemon-reload) ;;
    list-units)
        [[ "$1 $2 $3" == "--plain --no-legend --state=active,reloading"* ]] || exit 1
        shift 3
        for pattern; do
            for unit in hive-net.service $(ls active); do
                [[ $unit == $pattern ]] && is_active "$unit" && echo "$unit loaded active running A unit"
            done
        done
        ;;
    start | stop | try-restart)
        for unit; do
            case $verb-$unit in
                start-hive-net.service) start ;;
                stop-hive-net.service) end ;;
                try-restart-hive-net.service) ! is_there || { end; [[ ! -e broken/$unit ]] && start; } ;;
                start-*) touch "active/$unit" ;;
                stop-*) rm -f "active/$unit" ;;
            esac || code=1
        done
        ;;
    *) code=1; echo "systemctl $verb $*: not expected" >&2 ;;
esac
exit "$code"
END
# Counts how often it is started.
cat >bin/stat <<'END'
#!/bin/bash
echo >>/tmp/deb-test/stat.log
exec /usr/bin/stat "$@"
END
chmod +x bin/*
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
asked() { grep -v '^list-units ' systemctl.log || true; }
wanted=$(printf '%s\n' daemon-reload "try-restart "{hive-net,hived,hive-web,hive-gateway}.service)
[[ $(asked) == "$wanted" ]] || fail "What systemctl was asked is in systemctl.log."
holds "what ran was restarted, and nothing else was asked of systemd"
left_alone() { # PROCESS WORDS
    [[ $(<watcher) == "$1" && -e /proc/$1 && $(asked) == daemon-reload ]] || fail "$2: something was restarted; see systemctl.log"
    holds "$2"
}
# With what a new watcher would not start with.
old=$(<watcher)
cp /etc/hive/hive.json right.json
echo '{ agents: {' >/etc/hive/hive.json
: >systemctl.log
undisturbed "an upgrade beside a configuration that is wrong" noted with_systemd dpkg --install "hive-$version+1.deb"
left_alone "$old" "the watcher from before guards on"
says "why is said, and what to do" '/etc/hive/hive\.json:[0-9]+: ' 'nothing is restarted' 'systemctl try-restart hive-net'
cp right.json /etc/hive/hive.json
cp /var/lib/hive/leases.json right.json
echo '{' >/var/lib/hive/leases.json
: >systemctl.log
undisturbed "an upgrade beside damaged leases" noted with_systemd dpkg --install "hive-$version+2.deb"
left_alone "$old" "the watcher from before guards on"
says "why is said" '/var/lib/hive/leases\.json' 'exit code 65'
cp right.json /var/lib/hive/leases.json
undisturbed "the control: an upgrade when it is right again" noted with_systemd dpkg --install "hive-$version+1.deb"
[[ $(<watcher) != "$old" && $(runs_from) == /usr/bin/hivectl ]] || fail "The watcher is $(<watcher), $(runs_from)."
! grep -E 'nothing is restarted|nobody guards' noted.log || fail "It says so although it is not so."
holds "and the new watcher runs, and nothing else is said"
# A container that does not run just now is no reason: a watcher starts beside it, where a plan is refused.
old=$(<watcher)
mkdir -p /var/lib/hive/agents.d
printf '{ "namespace": "/run/netns/absent" }\n' >/var/lib/hive/agents.d/absent.json
must_fail 78 'absent does not exist' "a plan is refused for a namespace that is not there" hivectl --socket /run/hive/nobody.sock net plan
undisturbed "an upgrade beside a container that does not run" noted with_systemd dpkg --install "hive-$version+2.deb"
[[ $(<watcher) != "$old" && $(runs_from) == /usr/bin/hivectl ]] || fail "The watcher is $(<watcher), $(runs_from)."
! grep -E 'nothing is restarted|nobody guards' noted.log || fail "It says so although it is not so."
holds "and the new watcher runs"
rm /var/lib/hive/agents.d/absent.json
must "and back again" with_systemd dpkg --install "hive-$version+1.deb"
touch broken/hive-net.service
undisturbed "an upgrade where the new watcher does not come up" noted with_systemd dpkg --install "hive-$version+2.deb"
rm broken/hive-net.service
says "that nobody guards the rules is said" 'hive-net\.service has not come up again' 'nobody guards'
must "the watcher starts" bin/systemctl start hive-net.service
exchange() { for _ in {1..20}; do bin/systemctl try-restart hive-net.service || return; done; }
undisturbed "the watcher is replaced twenty times" exchange

step "The control: the same without the boundary"
bin/systemctl stop hive-net.service
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
touch active/hived.service active/hive-web.socket
old=$(<watcher)
: >systemctl.log
: >stat.log
# (dpkg's own code for a script that failed is 1.)
must_fail 1 'agents run: alpha' "it is refused while an agent runs" with_systemd dpkg --remove hive
[[ $(wc -l <stat.log) == 2 ]] || fail "It started stat $(wc -l <stat.log) times."
holds "it has looked by two calls, however many agents and processes there are"
must "and nothing has changed" hivectl net plan
[[ $(asked) == $'stop hived.service\nstart hived.service' && -e active/hived.service && $(<watcher) == "$old" ]] ||
    fail "What systemctl was asked is in systemctl.log."
holds "hived was stopped for the look, so that it starts nobody, and started again; nothing else was stopped"
rm active/*
bin/systemctl stop hive-net.service
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

step "A removal that fails"
ip netns add foreign
ip -n foreign link set lo up
cat >/etc/hive/hive.json <<'END'
{ agents: { alpha: {}, gamma: { namespace: "/run/netns/foreign" } } }
END
must "an agent in a namespace of somebody else's" hivectl net apply
role foreign echo 8080
are_two() { [[ $(ip netns pids foreign | wc -l) -gt 0 ]]; }
soon "it runs" are_two
must_fail 1 'agents run: gamma \(process' "it is refused while a process is in that one" with_systemd dpkg --remove hive
end_roles
configure
must "it is an agent no longer" hivectl net apply
ip netns del foreign
touch active/{hived,hive-web,hive-gateway,hive-nginx}.service active/hive-web.socket
old=$(<watcher)
mv /usr/bin/hivectl /usr/bin/hivectl.real
cat >/usr/bin/hivectl <<'END'
#!/bin/sh
[ "$*" != "net down" ] || { echo "it fails" >&2; exit 70; }
exec /usr/bin/hivectl.real "$@"
END
chmod 755 /usr/bin/hivectl
must_fail 1 'it fails' "it is refused where the network cannot be taken down" with_systemd dpkg --remove hive
mv /usr/bin/hivectl.real /usr/bin/hivectl
[[ $(cd active && echo *) == "hive-gateway.service hive-nginx.service hive-web.service hive-web.socket hived.service" ]] ||
    fail "active: $(ls active)"
[[ $(<watcher) != "$old" && -e /proc/$(<watcher) ]] || fail "The watcher is $(<watcher)."
must "and what ran runs again: all services, the watcher too" hivectl net plan
rm active/*
touch active/hived.service
must "the watcher of systemd ends" bin/systemctl stop hive-net.service
setsid hivectl net watch >>watch.log 2>&1 </dev/null &
by_hand=$!
soon "a watcher by hand" test -S /run/hive/net.sock
must_fail 1 'A watcher \(process [0-9]+\)' "a watcher that systemd does not know of is in the way" with_systemd dpkg --purge hive
[[ $(cd active && echo *) == hived.service && ! -e /proc/$(<watcher) ]] || fail "active: $(ls active)"
holds "and only what ran runs again"
must "and nothing has changed" hivectl net plan
kill "$by_hand"
wait "$by_hand" || true
rm active/*
must "the watcher starts" bin/systemctl start hive-net.service

step "Purging"
wants=/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
ln -s /usr/lib/systemd/system/hive-net.service "$wants/"
ln -s '/usr/lib/systemd/system/hive-nspawn@.service' "$wants/hive-nspawn@alpha.service"
# Of somebody else's, whatever they are called.
ln -s /usr/lib/systemd/system/hivemind.service "$wants/"
ln -s /opt/other/hived.service "$wants/"
must "dpkg purges it" with_systemd dpkg --purge hive
[[ -L $wants/hivemind.service && -L $wants/hived.service ]] || fail "links of others are gone"
holds "others' links are left"
rm "$wants"/{hivemind,hived}.service
same_as_before "nothing is left of it: files, users, groups, links, tables, routes, namespaces, mounts"

step "A purge that fails half way"
must "dpkg installs it" with_systemd dpkg --install hive.deb
useradd victim
echo 'user victim' >>/var/lib/hive/made-by-package
configure
mkdir -p /srv/theirs /var/lib/hive/agents/alpha/state
echo kept >/srv/theirs/file
mount --bind /srv/theirs /var/lib/hive/agents/alpha/state
setpriv --reuid=hive-web --regid=hive-web --clear-groups sleep 1000 &
sleeper=$!
must_fail 1 'hive-web could not be removed' "a user whose process runs is in the way" with_systemd dpkg --purge hive
for pattern in '/var/lib/hive is left, .* mounted at /var/lib/hive/agents/alpha/state' 'When that is mended: dpkg --purge hive'; do
    grep -qE "$pattern" last.log || fail "It does not say: $pattern"
done
holds "what else is in the way is named, and what to do"
[[ $(</srv/theirs/file) == kept && -f /var/lib/hive/made-by-package ]] || fail "too much is gone"
holds "what is mounted is left, and so is the list of users"
[[ ! -e /etc/hive/hive.json && ! -e /run/hive/agents && -z $(getent group hive-admin) ]] || fail "the rest is not gone"
holds "the rest is gone"
umount /var/lib/hive/agents/alpha/state
kill "$sleeper"
wait "$sleeper" 2>/dev/null || true
must "a second purge finishes it" with_systemd dpkg --purge hive
[[ $(</srv/theirs/file) == kept ]] || fail "what was mounted is gone"
must "a user of another name in the list is left" getent passwd victim
userdel victim
rm -r /srv/theirs
same_as_before "nothing is left of it"
mkdir /srv/configuration /var/lib/hive
ln -s /srv/configuration /etc/hive
mount -t tmpfs -o mode=755 tmpfs /var/lib/hive
must "dpkg installs it where directories are links and mounts" with_systemd dpkg --install hive.deb
configure
must "dpkg purges it" noted with_systemd dpkg --purge hive
says "what was left is said" '/etc/hive is a link to /srv/configuration' '/var/lib/hive is a mount point, and was emptied'
[[ -f /srv/configuration/hive.json && ! -L /etc/hive && -z $(ls -A /var/lib/hive) ]] || fail "what is left there"
holds "what a link led to is left, and what was mounted is empty"
umount /var/lib/hive
rm -r /var/lib/hive /srv/configuration
same_as_before "nothing else is left"

step "Beside an installation by scripts/install"
same_service() { # WORDS: the services, the watcher and the network of the other installation, in $prefix
    [[ $(<watcher) == "$old" && -e /proc/$old && -e active/hived.service ]] || fail "$1: its services have ended"
    ! asked | grep -v '^daemon-reload$' || fail "$1: see systemctl.log"
    "$prefix/bin/hivectl" net plan >last.log 2>&1 || fail "$1: its network is not as it was"
    holds "$1"
}
for prefix in /usr/local /opt/hive; do
    must "the package" with_systemd dpkg --install hive.deb
    must_fail 1 'The package hive is installed' "scripts/install --prefix /usr is refused" checkout/scripts/install --prefix /usr
    must "scripts/install --prefix $prefix" with_systemd checkout/scripts/install --prefix "$prefix"
    units=$prefix/lib/systemd/system
    [[ $prefix == /usr/local ]] || units=/etc/systemd/system
    configure
    PATH=$prefix/bin:$PATH bin/systemctl start hive-net.service
    [[ $(runs_from) == "$prefix/bin/hivectl" ]] || fail "The watcher is $(runs_from)."
    touch active/hived.service
    ln -s "$units/hive-net.service" "$wants/"
    ln -s /usr/lib/systemd/system/hive-gateway.service "$wants/"
    old=$(<watcher)
    : >systemctl.log
    must "the package is upgraded" noted with_systemd dpkg --install "hive-$version+1.deb"
    says "the other one is named" "another installation hides this one, in $prefix"
    same_service "nothing of the other one's is restarted"
    must "the package is removed" noted with_systemd dpkg --remove hive
    says "what stays is said" "the installation in $prefix stays"
    same_service "the other one's services and network are left"
    must "the package is purged" noted with_systemd dpkg --purge hive
    says "what stays is said" "are left to the installation in $prefix" 'systemctl enable hive-gateway.service'
    same_service "the other one's services and network are left"
    [[ -f /etc/hive/hive.json && -f /var/lib/hive/leases.json && -d /run/hive ]] || fail "files are gone"
    [[ -n $(getent passwd hive-web) && -n $(getent group hive-admin) ]] || fail "users are gone"
    [[ -L $wants/hive-net.service && ! -L $wants/hive-gateway.service ]] || fail "links: $(ls "$wants")"
    holds "and so are files, users and its own links"
    bin/systemctl stop hive-net.service
    rm active/*
    must "hivectl net down" "$prefix/bin/hivectl" net down
    must "it uninstalls" with_systemd checkout/scripts/install --uninstall --prefix "$prefix"
    # (The package knows still that it made the users.)
    must "the package again" with_systemd dpkg --install hive.deb
    must "the control: alone, purging it takes everything" with_systemd dpkg --purge hive
    same_as_before "nothing is left of either"
done

step "A group that was there"
rm -r /run/systemd
groupadd --system hive-admin
must "dpkg installs it where a group is there" dpkg --install hive.deb
must "dpkg purges it" dpkg --purge hive
must "the group is there still" getent group hive-admin
groupdel hive-admin
same_as_before "nothing else is left"

step "scripts/install"
install() { checkout/scripts/install "$@"; }
echo mine >/usr/local/bin/hived
mkdir /usr/local/bin/hive-cni
must_fail 1 '/usr/local/bin/hive-cni is a directory' "a directory in the place of a file" install --force
rmdir /usr/local/bin/hive-cni
must_fail 1 'did not install.*: /usr/local/bin/hived\. .*--force' "files of others are named" install
[[ $(</usr/local/bin/hived) == mine && ! -e /usr/local/bin/hivectl && ! -e /usr/local/share/hive && ! -e /etc/hive ]] ||
    fail "It has written."
holds "and nothing is written"
must "with --force it installs" install --force
[[ $(/usr/local/bin/hived --version) == hived* ]] || fail "/usr/local/bin/hived is not replaced"
must "and uninstalls" install --uninstall
rmdir /etc/hive
same_as_before "nothing is left"

masked() { (umask 077 && checkout/scripts/install); }
must "it installs, whatever the umask is" masked
[[ $(stat -c %a /etc/hive /usr/local/share/hive /usr/local/share/hive/manifest) == $'755\n755\n644' ]] || fail "modes"
holds "everybody may read it"
must "again" install
echo '# mine' >>/usr/local/lib/systemd/system/hived.service
ln -sf /elsewhere /usr/local/lib/cni/hive-cni
must "it uninstalls where files were changed" noted install --uninstall
says "these are named" 'Left, .*/usr/local/lib/systemd/system/hived\.service' 'Left, .*/usr/local/lib/cni/hive-cni'
[[ $(tail -n 1 /usr/local/lib/systemd/system/hived.service) == '# mine' && -L /usr/local/lib/cni/hive-cni && ! -e /usr/local/bin/hived ]] ||
    fail "what is left"
holds "and left, and nothing else is"
rm /usr/local/lib/systemd/system/hived.service /usr/local/lib/cni/hive-cni
# (Directories that it made and could not take away.)
rmdir --parents --ignore-fail-on-non-empty /usr/local/lib/systemd/system /usr/local/lib/cni
rmdir /etc/hive
same_as_before "nothing else is left"

must "it installs" install
# As the version before wrote the list.
sed -i -E 's/^[fl] [^ ]+ /f /; $a f /usr/local/share/hive/manifest' /usr/local/share/hive/manifest
echo old >/usr/local/share/doc/hive/README
echo 'f /usr/local/share/doc/hive/README' >>/usr/local/share/hive/manifest
must "again, over a list without checksums" install
[[ ! -e /usr/local/share/doc/hive/README ]] || fail "a file of the old version is left"
holds "what only the old version had is gone"
must "it uninstalls" install --uninstall
rmdir /etc/hive
same_as_before "nothing is left"

mkdir killer
cat >killer/cp <<'END'
#!/bin/bash
echo >>/tmp/deb-test/killer/count
(($(wc -l </tmp/deb-test/killer/count) < number)) || kill -KILL "$PPID"
exec /usr/bin/cp "$@"
END
chmod +x killer/cp
killed() { # NUMBER: when it writes its so many-th file, the list included
    : >killer/count
    number=$1 PATH=/tmp/deb-test/killer:$PATH checkout/scripts/install
}
for number in 2 3 20; do
    must_fail 137 '' "it is killed at file $number" killed "$number"
    must "and uninstalls what there is" install --uninstall
    same_as_before "nothing is left"
done
must "it installs" install
must_fail 137 '' "it is killed when it does so again" killed 9
must "it installs over what there is" install
must "it uninstalls" install --uninstall
rmdir /etc/hive
same_as_before "nothing is left"

step "scripts/install: what is in the way of --uninstall"
mkdir -p /run/systemd/system
# Somebody else's, which it has no business to make.
echo 'u hive-test-foreign - "Of somebody else"' >/usr/lib/sysusers.d/foreign.conf
must "it installs" with_systemd checkout/scripts/install
must "the user is made" getent passwd hive-web
must_fail 2 '' "and no users of others" getent passwd hive-test-foreign
must "(the control: without names)" systemd-sysusers
must "(they are)" getent passwd hive-test-foreign
userdel hive-test-foreign
rm /usr/lib/sysusers.d/foreign.conf
uninstall() { with_systemd checkout/scripts/install --uninstall "$@"; }
touch active/hive-nspawn@alpha.service active/hive-web.socket
must_fail 1 'systemctl disable --now hive-web.socket hive-nspawn@alpha.service' "services and containers that are active" \
    uninstall --keep-boundary
rm active/*
net() { /usr/local/bin/hivectl net "$@"; }
configure
must "hivectl net apply" net apply
must_fail 1 '/run/netns/hive-alpha.*hivectl net down' "agents' namespaces" uninstall
must "hivectl net down" net down
ip netns add foreign
echo '{ agents: { alpha: { namespace: "/run/netns/foreign" } } }' >/etc/hive/hive.json
must "hivectl net apply" net apply
[[ -z $(compgen -G '/run/netns/hive-*') ]] || fail "There is a namespace of Hive's."
must_fail 1 'hive0 hv-alpha.*hivectl net down' "an agent in a namespace of somebody else's" uninstall
must "hivectl net down" net down
ip netns del foreign
echo '{ agents: {} }' >/etc/hive/hive.json
must "hivectl net apply" net apply
must_fail 1 'hive0.*hivectl net down' "a hive without agents" uninstall
must "hivectl net down" net down
setsid /usr/local/bin/hivectl net watch >>watch.log 2>&1 </dev/null &
by_hand=$!
soon "a watcher" test -S /run/hive/net.sock
must_fail 1 "hivectl \(process $by_hand\)" "a watcher that was started by hand" uninstall --keep-boundary
kill "$by_hand"
wait "$by_hand" || true
must "hivectl net down" net down
ln -s /usr/local/lib/systemd/system/hive-net.service "$wants/"
ln -s '/usr/local/lib/systemd/system/hive-nspawn@.service' "$wants/hive-nspawn@alpha.service"
ln -s /usr/lib/systemd/system/hivemind.service "$wants/"
must "the control: without all that it uninstalls" noted uninstall
says "links of 'systemctl enable' are named" "enable' made: .*$wants/hive-net.service" "enable' made: .*$wants/hive-nspawn@alpha.service"
[[ ! -L $wants/hive-net.service && ! -L $wants/hive-nspawn@alpha.service && -L $wants/hivemind.service ]] || fail "links"
holds "and gone; others' are left"
rm "$wants/hivemind.service"
[[ -f /etc/hive/hive.json && -d /var/lib/hive ]] || fail "what is left after --uninstall"
holds "the operator's files are left"
must "it installs once more" with_systemd checkout/scripts/install
must "hivectl net apply" net apply
must "with --keep-boundary it goes" uninstall --keep-boundary
must "and the boundary is there" nft list table inet hive
must "it installs once more" with_systemd checkout/scripts/install
must "hivectl net down" net down
must "it uninstalls" uninstall
rm -rf /run/systemd /etc/hive /var/lib/hive /run/hive
userdel hive-web
groupdel hive-admin
same_as_before "nothing else is left"

step "Result"
printf 'All %d expectations held. Nothing of it is left on this machine.\n' "$held"
