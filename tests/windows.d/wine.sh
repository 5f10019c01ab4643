# What tests/windows needs where there is no Windows: wine, and Windows perls. Read by it.

# Each version of this package has a part of a Strawberry Perl in it.
exiftool() {
    local version=$1 part=$2 into=$3 work
    [ ! -e "$into" ] || return 0
    command -v npm >/dev/null || return 1
    work=$(mktemp -d) && (cd "$work" && npm pack --silent "exiftool-vendored.exe@$version" >/dev/null) &&
        tar xzf "$work"/*.tgz -C "$work" && mv "$work/package/bin/$part" "$into"
    local result=$?
    rm -rf "$work"
    return $result
}

# Everything that a system without Windows perls lacks.
under_wine() {
    mkdir -p "$cache" || exit 2
    wine=${WINE:-$(command -v wine64 || command -v wine || ls /usr/lib/wine/wine64 2>/dev/null)}
    [ -n "$wine" ] || missing "wine"
    command -v x86_64-w64-mingw32-gcc >/dev/null || missing "x86_64-w64-mingw32-gcc"

    exiftool 13 exiftool_files "$cache/5.32" || missing "the npm package exiftool-vendored.exe"
    if [ ! -e "$cache/5.41/scripts/perl.exe" ]; then
        local work
        work=$(mktemp -d)
        python3 -m pip download --quiet --no-deps --only-binary=:all: --platform win_amd64 \
            --dest "$work" perl5==5.41.13 >/dev/null || missing "the PyPI package perl5"
        python3 -m zipfile -e "$work"/*.whl "$work/wheel" && rm -rf "$cache/5.41" &&
            mv "$work"/wheel/*.data "$cache/5.41" || missing "a perl in the wheel"
        rm -rf "$work"
    fi

    # wine 8 has no bcryptprimitives.dll, which Rust's standard library takes its random numbers from.
    if [ ! -e "$cache/dll/bcryptprimitives.dll" ]; then
        mkdir -p "$cache/dll"
        cat >"$cache/dll/random.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length) {
    return SystemFunction036(bytes, (ULONG)length);
}
C
        x86_64-w64-mingw32-gcc -shared -O2 -o "$cache/dll/bcryptprimitives.dll" "$cache/dll/random.c" \
            -ladvapi32 || missing "a DLL that mingw-w64 makes"
    fi

    export WINEPREFIX=$cache/prefix WINEDEBUG=-all
    # The 5.41 perl takes libgcc and libstdc++ from the other one's folder.
    WINEPATH="Z:${cache//\//\\}\\dll;Z:${cache//\//\\}\\5.32"
    export WINEPATH
    unset LC_ALL LANG
}

# Unpacks wine's package of 32 bits into the folder $1. The lists of that architecture are kept there too: to
# the machine's own it would stay added for ever.
libraries_of_32_bits() {
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial" && (
        cd "$1" && : >status || exit 1
        set -- -q -o APT::Architecture=i386 -o APT::Architectures::=i386 -o APT::Sandbox::User=root \
            -o Dir::State::lists="$1/lists" -o Dir::Cache="$1/cache" -o Dir::State::status="$1/status"
        apt-get "$@" update >/dev/null 2>&1
        apt-get "$@" download libwine >/dev/null 2>&1 && dpkg -x libwine_*_i386.deb .
    )
}

# Perls of 32 bits. They run in wine's own WoW64, which has no libraries of 32 bits below its DLLs.
narrow=$cache/i386
under_narrow_wine() {
    mkdir -p "$narrow/wine" || return 1
    command -v i686-w64-mingw32-gcc >/dev/null || return 1
    if [ ! -d "$narrow/wine/i386-windows" ]; then
        local work result
        work=$(mktemp -d) && libraries_of_32_bits "$work" &&
            mv "$work/usr/lib/i386-linux-gnu/wine/i386-windows" "$narrow/wine/"
        result=$?
        rm -rf "$work"
        [ $result = 0 ] || return 1
    fi
    i686-w64-mingw32-gcc -w -fno-builtin -shared -O1 -Wl,--kill-at -o "$narrow/ws2_32.dll" \
        "$here/windows.d/ws2_32.c" || return 1
    exiftool 12.82.0 exiftool_files "$narrow/5.30" || return 1
    WINEPREFIX=$narrow/prefix
    WINEDLLPATH=$narrow/wine
    WINEDLLOVERRIDES=ws2_32=n,b
    export WINEPREFIX WINEDLLPATH WINEDLLOVERRIDES
    "$wine" cmd /c exit >/dev/null 2>&1
    cp "$narrow/ws2_32.dll" "$WINEPREFIX/drive_c/windows/syswow64/" || return 1
    # A perl that is packed into one program, which unpacks it when it is started. What starts it here is
    # ours, as nothing else of it is left.
    if [ ! -e "$narrow/5.24/perl524.dll" ]; then
        exiftool 11.65.0 exiftool.exe "$narrow/packed.exe" || return 1
        "$wine" "$narrow/packed.exe" -ver >/dev/null 2>&1
        mkdir -p "$narrow/5.24"
        find "$WINEPREFIX/drive_c/users" -name perl524.dll -exec cp {} "$narrow/5.24/" ';'
    fi
    i686-w64-mingw32-gcc -O1 -o "$narrow/5.24/perl.exe" "$here/windows.d/perl524.c" &&
        [ -e "$narrow/5.24/perl524.dll" ]
}
