#!/bin/sh
# Installs from Debian what the tests' own servers need, when it may: as root, or by sudo without a password.
# Its arguments are further packages, of which each brings a program of its name.
# It starts no system service and never fails: a test whose server is absent says so and is skipped.
set -u
more="$*"

has_driver() { cat /etc/odbcinst.ini "${ODBCSYSINI:-/etc}/odbcinst.ini" 2>/dev/null | grep -q "^\[$1"; }
has_postgres() { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }
has_mariadb() { command -v mariadb-install-db && { command -v mariadbd || ls /usr/sbin/mariadbd; }; }
has_odbc() { ls /usr/lib/*/libodbc.so.2 /usr/lib*/libodbc.so.2 | grep .; }
has_sshd() { command -v sshd || ls /usr/sbin/sshd; }

missing() { # the packages, on one line
    {
        has_postgres >/dev/null || printf 'postgresql '
        has_mariadb >/dev/null || printf 'mariadb-server '
        has_odbc >/dev/null || printf 'unixodbc '
        has_driver 'PostgreSQL Unicode' || printf 'odbc-postgresql '
        has_driver MariaDB || printf 'odbc-mariadb '
        has_sshd >/dev/null || printf 'openssh-server '
        for program in $more; do command -v "$program" >/dev/null || printf '%s ' "$program"; done
    } 2>/dev/null
}

install_packages() {
    as_root=
    [ "$(id -u)" = 0 ] || as_root='sudo -n'
    command -v apt-get >/dev/null || { echo "there is no apt-get here"; return; }
    $as_root true 2>/dev/null || { echo "neither root nor sudo without a password"; return; }
    # Debian starts a server when it installs it; exit code 101 of this file tells it not to.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$as_root rm -f $policy' EXIT
        trap 'exit 1' INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod 755 $policy ||
            { echo "Debian could not be told to leave the servers stopped"; return; }
    fi
    $as_root apt-get -qq update >&2 || echo "apt-get update did not succeed"
    for package; do # one by one: what cannot be had keeps nothing else away
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$package" \
            >/dev/null 2>&1 </dev/null || echo "apt-get install $package did not succeed"
    done
}

packages=$(missing)
[ -n "$packages" ] || exit 0
echo "Installing for the tests (once): $packages"
# shellcheck disable=SC2086 # a list of words
reasons=$(install_packages $packages)
packages=$(missing)
if [ -n "$packages" ]; then
    echo "Not installed: $packages"
    [ -z "$reasons" ] || echo "$reasons" | sed 's/^/  because: /'
    echo "The tests that need them are skipped."
fi
exit 0
