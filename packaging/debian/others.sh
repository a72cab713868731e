# Where scripts/install has installed Hive as well, on one line. Its units, below /usr/local or /etc, come before the package's: so
# everything that runs is that one's.
other_installations() {
    {
        echo /usr/local
        sed -nE 's:^Exec[A-Za-z]*=[-+!@]*(/.*)/bin/(hivectl|hived|hive-web)( .*)?$:\1:p' /etc/systemd/system/hive*.service 2>/dev/null
    } | sort -u | while read -r prefix; do
        [ "$prefix" = /usr ] || [ ! -e "$prefix/share/hive/manifest" ] || echo "$prefix"
    done | paste -s -d ' '
}
