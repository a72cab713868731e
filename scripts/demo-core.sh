# shellcheck shell=bash
# Of scripts/demo: agents ask, and their operator answers. Sourced inside of its namespaces, where nginx runs already.
# shellcheck disable=SC2154 # curl, from there

# Users of its own, as packaging/*.conf have systemd make them: in copies of these files, which nobody else sees.
make_users() {
    local name
    cp /etc/passwd /etc/group .
    for name in hive-web hive-admin; do
        getent group "$name" >/dev/null || printf '%s:x:%d:\n' "$name" $((48001 + ${#name})) >>group
    done
    mount --bind group /etc/group
    getent passwd hive-web >/dev/null ||
        printf 'hive-web:x:48001:%d::/:/usr/sbin/nologin\n' "$(getent group hive-web | cut -d: -f3)" >>passwd
    mount --bind passwd /etc/passwd
}

# Commands that stand for what is somewhere else: in an agent's container, in a browser, in a web process that was taken over.
make_commands() {
    cat >bin/alpha <<'EOS'
#!/bin/sh
# alpha's container, as systemd-nspawn makes it: its own network, of /run/hive its own socket only, and root without power over the host.
exec ip netns exec hive-alpha unshare --mount sh -c '
    mount --bind /run/hive/agents/alpha /mnt && mount -t tmpfs tmpfs /run && mkdir -p /run/hive/agent &&
    mount --move /mnt /run/hive/agent && exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"' sh "$@"
EOS
    cat >bin/says <<'EOS'
#!/bin/sh
# A line to a socket, and what comes back.
printf '%s\n' "$2" | socat -t 5 - "UNIX-CONNECT:$1"
EOS
    # (Where the others can get at it too.)
    cp bin/says /run/hive/agents/alpha/says
    cat >bin/press-send <<'EOS'
#!/bin/sh
# The form below question 1, as the browser sends it that shows the dashboard to the operator; $1 is the origin of the page.
token=$(curl -s http://localhost:8420/ | tr '>' '\n' |
    sed -n '/answer-question.1"/,/form/s/.*name="token" value="\([^"]*\)".*/\1/p' | head -n 1)
exec curl -sS -m 5 -f -o /dev/null -w '%{http_code}\n' -H "Origin: $1" --data-urlencode "token=$token" --data from=/ \
    --data-urlencode "text=$2" http://localhost:8420/answer-question/1
EOS
    cat >bin/taken-over <<'EOS'
#!/bin/sh
# Whatever somebody says who has taken hive-web over.
exec setpriv --reuid=hive-web --regid=hive-web --clear-groups --no-new-privs says "$@"
EOS
    chmod 755 bin/* /run/hive/agents/alpha/says
}

start_core() {
    local try
    make_users
    hived &
    for ((try = 0; try < 200; try++)); do [[ -S /run/hive/core.sock ]] && break; sleep 0.05; done
    install -d -o hive-web -g www-data -m 2750 web
    setpriv --reuid=hive-web --regid=hive-web --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
        hive-web --listen "$PWD/web/web.sock" &
    for ((try = 0; try < 200; try++)); do curl -sf -m 5 -o /dev/null http://localhost:8420/ && break; sleep 0.05; done
    make_commands
}

show_core() {
    step "Agents and their operator"
    say "hived, the core, has a socket for each agent, and no port. hive-web shows the dashboard, and may do nothing else."
    start_core
    local own='alpha /run/hive/agent/says /run/hive/agent/agent.sock'
    say "alpha asks, from inside of its container. Which socket it asked on is who it is:"
    works "$own '{\"cmd\": \"ask\", \"text\": \"May I delete the old branch?\"}'"
    works "$own '{\"cmd\": \"request_approval\", \"text\": \"git push origin main\"}'"
    say "The operator sees both, here and on the dashboard:"
    works "hivectl question list"
    works "$curl http://localhost:8420/ | grep -o 'May I delete the old branch?' | head -n 1"
    say "alpha approves its own request; no such word exists on its socket, and no other socket in its container:"
    works "$own '{\"cmd\": \"approve\", \"id\": 2}' | grep '\"ok\":false'"
    expect 1 "not there" "alpha /run/hive/agent/says /run/hive/host.sock '{\"cmd\": \"approve\", \"id\": 2}'"
    say "Another page answers in the operator's browser (22: 403). Then the operator does, on the dashboard:"
    expect 22 "refused" "press-send http://elsewhere.example 'Yes'"
    works "press-send http://localhost:8420 'Yes, but keep the tag'"
    works "hivectl approval approve 2"
    say "And alpha has it:"
    works "$own '{\"cmd\": \"loose_ends\"}' | grep 'Yes, but keep the tag'"
    say "Somebody has taken hive-web over. It has the core's few requests, and no operator's:"
    works "taken-over /run/hive/core.sock '{\"request\": \"Approvals\"}' | grep '\"ok\":true'"
    expect 1 "not allowed" "taken-over /run/hive/host.sock '{\"cmd\": \"list\"}'"
    mkdir -p "$HIVE_STATE/agents/alpha/state"
    echo secret >"$HIVE_STATE/agents/alpha/harness"
    echo "what alpha shows" >"$HIVE_STATE/agents/alpha/state/plan"
    local read='"request": "ReadAgentStateFile", "agent": "alpha", "rel_path"'
    works "taken-over /run/hive/core.sock '{$read: \"plan\"}' | tr ',{' '\\n\\n' | sed -n 's/\"content\":\"\(.*\)\"/\1/p' | base64 -d | grep alpha"
    works "taken-over /run/hive/core.sock '{$read: \"../harness\"}' | grep '\"ok\":false'"
    say "Nothing waits for the operator any more:"
    works "hivectl question list"
    works "hivectl approval list"
}
