import Foundation
import Glibc

/// What containers are made of on a machine that `Systemd` boots.
enum ContainerUnits {
    /// The program that drives `HiveDaemon`, beside the tests.
    static let driver = (Lab.hivectlPath as NSString).deletingLastPathComponent + "/LifecycleDriver"

    static let obstacle: String? =
        Systemd.obstacle ?? Container.obstacle
        ?? (access(driver, X_OK) == 0 ? nil : "there is no \(driver): it is built with the tests")

    /// The template of NixOS's module `containers` (nixos/modules/virtualisation/nixos-containers.nix), as far as its parts have to do with
    /// starting and stopping. There it registers with machined, which the machine here does not have, and binds /nix/store where this
    /// binds /usr.
    static let nixos = """
        [Unit]
        Description=Container '%i'
        [Service]
        Environment=root=/var/lib/nixos-containers/%i INSTANCE=%i
        EnvironmentFile=-/etc/nixos-containers/%i.conf
        Type=notify
        ExecStart=/bin/bash /usr/local/bin/container-start
        KillMode=mixed
        KillSignal=TERM
        Delegate=true
        Slice=machine.slice
        SyslogIdentifier=container %i
        DevicePolicy=closed
        Restart=on-failure
        RestartForceExitStatus=133
        SuccessExitStatus=133
        TimeoutStartSec=1min
        """

    /// What that starts.
    static let nixosStart = """
        flags=()
        if [ -n "$NETWORK_NAMESPACE_PATH" ]; then flags+=("--network-namespace-path=$NETWORK_NAMESPACE_PATH"); fi
        exec systemd-nspawn --keep-unit -M "$INSTANCE" -D "$root" "${flags[@]}" $EXTRA_NSPAWN_FLAGS --register=no \
            --kill-signal=SIGTERM --bind-ro=/usr "$SYSTEM_PATH/init"
        """

    /// Bash: makes a root directory that has /usr bound from the host. `$1`: where; standard input: `/init` in it.
    static let makeRoot = """
        make_root() {
            mkdir -p "$1"/{usr,etc,proc,sys,dev,run,tmp,root,state}
            for name in bin sbin lib lib64; do ln -s usr/$name "$1/$name"; done
            echo ID=test >"$1/etc/os-release"
            cat >"$1/init"; chmod 755 "$1/init"
        }
        """

    /// What an agent does: says how far it has come, and tries what it should not be able to.
    static let agent = """
        #!/bin/bash
        trap 'echo bye >/state/end; echo goodbye; exit 0' TERM
        echo "hello, pid $$"
        printf 'an escape \\033[31m and a bell \\007\\n'
        cat /proc/net/dev >/state/links
        python3 - >/state/socket 2>&1 <<'END'
        import os, socket
        try:
            s = socket.socket(socket.AF_UNIX); s.connect("/run/hive/agent/agent.sock"); print("said", s.recv(100).decode())
        except OSError as error: print("socket", error.strerror)
        for what in (lambda: os.unlink("/run/hive/agent/agent.sock"), lambda: open("/run/hive/agent/own", "w"),
                lambda: os.chmod("/run/hive/agent/agent.sock", 0)):
            try: what(); print("CHANGED")
            except OSError as error: print("kept:", error.strerror)
        END
        curl -s -o /dev/null --max-time 2 http://10.77.0.1:9999/; echo "host $?" >/state/host
        echo ready >/state/ready
        for ((tick = 0; ; tick++)); do echo $tick >/state/tick; sleep 0.05; done
        """
}
