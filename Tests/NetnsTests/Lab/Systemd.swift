import Foundation
import Glibc

/// A systemd that is process 1 of a host of its own: a copy of this machine's files, of which nothing is written back, in a lab's network.
enum Systemd {
    /// Why it cannot be had here, or nil.
    static let obstacle: String? = {
        guard geteuid() == 0, ThreatOutsideTests.hasUsers else { return "it has to be root of the machine" }
        return access("/lib/systemd/systemd", X_OK) == 0 ? nil : "there is no systemd"
    }()

    /// Boots, runs a script of bash, and powers off.
    /// - Parameters:
    ///   - files: what is copied into it, by their paths there.
    ///   - units: that are there besides, by their names.
    ///   - script: it is a unit of its own. What it prints is the result, each command before what came of it.
    static func run(
        _ lab: Lab, files: [String: String], units: [String: String] = [:], script: String
    ) throws -> String {
        let place = "/run/lab/systemd"
        try lab.must("mkdir -p \(place)/out \(place)/units")
        for (name, text) in units { try lab.write(text, to: "\(place)/units/\(name)") }
        try lab.write("exec 2>&1\nset -x\n" + script, to: "\(place)/out/script")
        try lab.write(
            """
            [Unit]
            After=sysinit.target
            [Service]
            Type=oneshot
            ExecStart=/bin/bash /run/out/script
            StandardOutput=append:/run/out/printed
            ExecStopPost=/bin/systemctl poweroff --force --force
            """, to: "\(place)/units/script.service")
        try lab.write(
            "[Unit]\nAllowIsolate=yes\nRequires=sysinit.target\nAfter=sysinit.target\nWants=script.service\n",
            to: "\(place)/units/script.target")
        let copies = files.sorted { $0.key < $1.key }.map { path, source in
            "mkdir -p .\(path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }); cp \(source) .\(path)"
        }
        // (In a directory of its own for what is temporary: systemd empties the usual one.)
        try lab.write(
            """
            set -e
            mount --make-rprivate /
            mount -t tmpfs tmpfs /mnt
            mkdir /mnt/upper /mnt/work /mnt/root
            mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
            cd /mnt/root
            mount -t proc proc proc
            mount -t sysfs sysfs sys
            mount -t cgroup2 cgroup2 sys/fs/cgroup
            mount --rbind /dev dev
            mount -t tmpfs -o mode=0755 tmpfs run
            mount -t tmpfs -o mode=1777 tmpfs tmp
            mkdir run/out old
            mount --bind \(place)/out run/out
            rm -rf etc/systemd/system/*.wants
            \(copies.joined(separator: "\n"))
            cp \(place)/units/* etc/systemd/system/
            pivot_root . old
            export container=other
            exec chroot . sh -c 'umount -l /old; systemd-sysusers;
                exec /lib/systemd/systemd --system --unit=script.target --log-target=console'
            """, to: "\(place)/boot")
        // The root of its control groups is the one that it begins in. Another systemd has one of its own, with slices of the same names.
        try lab.write(
            """
            mkdir -p \(place)/groups
            mount -t cgroup2 cgroup2 \(place)/groups || exit
            own=\(place)/groups$(sed -n 's/^0:://p' /proc/self/cgroup)/hive-lab-$$
            mkdir "$own" || exit
            sh -c 'echo $$ >"$0/cgroup.procs" && exec timeout -k 2 90 unshare -pmCuif --kill-child sh \(place)/boot' "$own"
            # (Whatever was in it ends with its process 1, and is gone a little later.)
            for i in $(seq 100); do
                find "$own" -depth -type d -exec rmdir {} + 2>/dev/null
                [ -e "$own" ] || exit 0
                sleep 0.05
            done
            echo "control groups are left: $own" >&2
            """, to: "\(place)/start")
        let result = try lab.run(["sh", "\(place)/start"], seconds: 110)
        let printed = try lab.run(["cat", "\(place)/out/printed"]).stdout
        guard !printed.isEmpty, result.status == 0 else {
            throw LabError("systemd did not begin, or not end: \(result) \(printed)")
        }
        return printed
    }
}
