# Roots of other systems, for the scripts that run something in them: `make_root NAME` makes $store/NAME, once.
# Sourced; $work is a folder of whoever does. Needs root, debootstrap, and a mirror of Debian's and Ubuntu's packages.
# shellcheck shell=bash

store=${P5SPY_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/p5-spy-roots}
# Mirrors; debootstrap knows one for each system.
debian=${P5SPY_DEBIAN-}
ubuntu=${P5SPY_UBUNTU-}
mkdir -p "$store"

# Puts a root where it belongs once it is whole.
keep() { # NAME COMMAND...
    local name=$1
    shift
    [ ! -d "$store/$name" ] || return 0
    echo "# making the root $name" >&2
    rm -rf --one-file-system "$store/$name.new"
    "$@" "$store/$name.new" >"$store/$name.log" 2>&1 || { tail -n 20 "$store/$name.log" >&2; return 1; }
    mv "$store/$name.new" "$store/$name"
}

debian() { # SUITE PACKAGES FOLDER
    debootstrap --variant=minbase --include="$2" "$1" "$3" "$debian" && visited "$3"
}

# Ubuntu's keys are among Debian's packages.
noble() { # FOLDER
    local keys=$work/keys scripts=/usr/share/debootstrap/scripts
    mkdir -p "$keys"
    chroot "$store/trixie" sh -c 'cd /tmp && apt-get download ubuntu-keyring' || return
    mv "$store"/trixie/tmp/ubuntu-keyring*.deb "$keys/" && dpkg-deb -x "$keys"/*.deb "$keys/" || return
    debootstrap --variant=minbase --include=perl,make \
        --keyring="$keys/usr/share/keyrings/ubuntu-archive-keyring.gpg" noble "$1" "$ubuntu" "$scripts/gutsy" &&
        visited "$1"
}

# Debian's sources of perl and make, built with musl-gcc, and busybox: perl is configured as Alpine's is.
musl() { # FOLDER
    local new=$1 shop=$work/workshop
    cp -a "$store/bookworm" "$shop" && sed -i 's/^deb /deb-src /p;s/^deb-src /deb /' "$shop/etc/apt/sources.list" || return
    cat >"$shop/build" <<'B'
set -ex
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends gcc libc6-dev musl-tools make dpkg-dev busybox-static \
    automake autopoint gettext pkg-config
mkdir /src /musl
cd /src
apt-get source -q perl make
libc=$(dirname /usr/lib/*-linux-musl/libc.so)
cd /src/perl-5*
sh Configure -des -Dcc=musl-gcc -Dusethreads -Duseshrplib -Dprefix=/usr -Dprivlib=/usr/share/perl5/core_perl \
    -Darchlib=/usr/lib/perl5/core_perl -Dsitelib=/usr/local/share/perl5/site_perl \
    -Dsitearch=/usr/local/lib/perl5/site_perl -Dsitebin=/usr/local/bin -Dsitescript=/usr/local/bin \
    -Dman1dir=none -Dman3dir=none -Dsiteman1dir=none -Dsiteman3dir=none -Dlocincpth=' ' -Dloclibpth=' ' \
    -Dglibpth="$libc" -Dusrinc="/usr/include/$(basename "$libc")" -Dlibs='-lpthread -lm -ldl' -Uusenm \
    -Dlibc="$libc/libc.so" -Ui_db -Ui_gdbm -Ui_ndbm
make -j"$(nproc)"
make install DESTDIR=/musl
cd /src/make-dfsg-*
# Debian's has no manual to configure.
autoreconf -fi || true
CC='musl-gcc -static' ./configure --disable-nls --without-guile
sh build.sh
mkdir -p /musl/bin /musl/lib /musl/etc /musl/tmp /musl/proc /musl/dev /musl/root /musl/usr/bin /musl/usr/local/bin
cp make /musl/usr/bin/make
cp /bin/busybox /musl/bin/busybox
cp "$libc/libc.so" /musl/lib/libc.so
ln -s libc.so /musl/lib/ld-musl-$(uname -m).so.1
chroot /musl /bin/busybox --install -s /bin
echo root:x:0:0:root:/root:/bin/sh >/musl/etc/passwd
echo root:x:0: >/musl/etc/group
chmod 1777 /musl/tmp
B
    chroot "$shop" sh /build && mv "$shop/musl" "$new" && visited "$new"
}

# Whoever is no root.
visited() { # FOLDER
    echo visitor:x:1000:1000::/home/visitor:/bin/sh >>"$1/etc/passwd"
    echo visitor:x:1000: >>"$1/etc/group"
    mkdir -p "$1/home/visitor" && chown 1000:1000 "$1/home/visitor"
}

make_root() { # NAME
    case $1 in
    bullseye | bookworm) keep "$1" debian "$1" perl,make,rpm ;;
    trixie) keep trixie debian trixie perl,make,gcc,libc6-dev,cpanminus ;;
    noble) make_root trixie && keep noble noble ;;
    musl) make_root bookworm && keep musl musl ;;
    *) echo "no such root: $1" >&2; return 2 ;;
    esac
}
