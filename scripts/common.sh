# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shared by scripts/run and scripts/test: find and install what they need, and
# build as the right user. Sourced, not run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

say() { printf '%s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# show_errors LOG: print the errors of a log, at most 100 lines. Its end is no
# help: with several jobs it belongs to another one.
show_errors() {
  local what
  for what in 'error:|undefined reference|multiple definition|cannot find -l' \
    'CMake Error|Error:|ERROR|[*][*][*] ' 'warning:|WARNING:' .; do
    grep -qE -e "$what" "$1" || continue
    if [ "$what" = . ]; then
      tail -n 60 "$1"
    else
      grep -nE -B 2 -A 6 -e "$what" "$1" | sed -n 1,100p
    fi | cut -c 1-500
    break
  done
  say "--- all of it: $1 ($(wc -l <"$1") lines)"
}

# Under sudo only packages are installed as root. The tree still belongs to the
# caller, and so must all that is built.
as_owner() {
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ] &&
    [ "$(stat -c %u .)" = "$SUDO_UID" ]; then
    # Use the caller's home too: downloads are cached there.
    HOME=$(getent passwd "$SUDO_UID" | cut -d : -f 6) \
      setpriv --reuid "$SUDO_UID" --regid "${SUDO_GID:-$SUDO_UID}" \
      --init-groups -- "$@"
  else
    "$@"
  fi
}

# Is a thing installed? cmd:NAME a program, pc:NAME a pkg-config file,
# header:NAME a header that the compiler finds (of what lacks pkg-config),
# file:PATH.
is_here() {
  case $1 in
  cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
  pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
  header:*)
    printf '#include <%s>\n' "${1#header:}" |
      "${CC:-gcc}" -E -x c - >/dev/null 2>&1
    ;;
  file:*) compgen -G "${1#file:}" >/dev/null ;;
  esac
}

# need THING PACKAGE ...: note the packages whose thing is missing.
missing=()
need() {
  while [ $# -gt 1 ]; do
    is_here "$1" || missing+=("$2")
    shift 2
  done
}

# Fetch Debian's package lists only if they lack a package.
apt_install() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
      die "not root and no sudo; run as root: apt-get install $*"
    sudo=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get install -y -q --no-install-recommends "$@" ||
    { "${sudo[@]}" apt-get update -q &&
      "${sudo[@]}" apt-get install -y -q --no-install-recommends "$@"; }
}

install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  # One run of apt-get for all tools and libraries.
  local list
  list=$(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')
  if ! command -v apt-get >/dev/null 2>&1; then
    die "no apt-get; please install (Debian's names): $list"
  fi
  say "installing: $list"
  # shellcheck disable=SC2086
  apt_install $list || die "could not install $list"
  missing=()
}

# want THING PACKAGE ...: the same, but install at once and go on if that fails.
# A test that needs the thing looks again, and is skipped.
want() {
  need "$@"
  (install_missing) || say "going on without: ${missing[*]}"
  missing=()
}

need_to_build() {
  need cmd:gcc gcc cmd:make make cmd:cmake cmake cmd:pkg-config pkg-config \
    header:stdio.h libc6-dev header:libfdt.h libfdt-dev \
    pc:jansson libjansson-dev pc:ncurses libncurses-dev \
    pc:libmicrohttpd libmicrohttpd-dev
  case $(uname -m) in
  x86_64) need pc:libcpuid libcpuid-dev ;;
  esac
}

# What the Python package is built and tested with: by the system's Python,
# whichever else is in PATH.
want_python() {
  local modules=/usr/lib/python3/dist-packages
  want 'file:/usr/include/python3*/Python.h' python3-dev \
    'file:/usr/lib/python3*/ensurepip/__init__.py' python3-venv \
    file:$modules/cffi/api.py python3-cffi \
    file:$modules/setuptools/__init__.py python3-setuptools \
    file:$modules/wheel/__init__.py python3-wheel \
    file:$modules/pytest/__init__.py python3-pytest \
    file:$modules/mypy/__init__.py mypy
}

# What the program runs.
need_to_use() {
  need cmd:gnuplot gnuplot-nox
}

# Each second the share that is built, by the last line of the log that has one.
show_progress() {
  local share
  while kill -0 $$ 2>/dev/null; do
    share=$(grep -aoE '^\[ *[0-9]+%\]' "$1" 2>/dev/null | tail -n 1 || true)
    printf '\r\033[K%s' "${share:-configuring}"
    sleep 1
  done
}

# with_progress LOG COMMAND ...: run it with its output in LOG. A terminal shows
# how far it is.
with_progress() {
  local log=$1 shown='' ret=0
  shift
  if [ -t 1 ]; then
    show_progress "$log" &
    shown=$!
    # Also after Ctrl-C, which a job in the background does not notice.
    # shellcheck disable=SC2064
    trap "kill $shown 2>/dev/null || true" EXIT
  fi
  "$@" >"$log" 2>&1 || ret=$?
  if [ -n "$shown" ]; then
    kill "$shown" 2>/dev/null || true
    wait "$shown" 2>/dev/null || true
    trap - EXIT
    # Its line is empty again.
    printf '\r\033[K'
  fi
  return $ret
}

# configure_and_build DIR CMAKE-ARGUMENT ...
configure_and_build() {
  local dir=$1
  shift
  # In English: show_errors() searches for these words.
  LC_ALL=C as_owner cmake -B "$dir" "$@" >/dev/null &&
    LC_ALL=C as_owner cmake --build "$dir" -j "$(nproc)" --
}
