#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_install.sh BUILD_DIRECTORY
# The installed files can be used: from C and C++, by find_package, by
# pkg-config, and linked statically.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: check_install.sh BUILD_DIRECTORY}
warnings="-Wall -Wextra -Wpedantic -Werror"

for tool in cmake pkg-config cc c++; do
	command -v $tool >/dev/null || {
		echo "skipped: no $tool"
		exit 77
	}
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

say() {
	echo "--- $*"
}

say "install"
cmake --install "$build" --prefix "$prefix" >"$work/install.log" || {
	cat "$work/install.log"
	exit 1
}
pc=$(find "$prefix" -name paraclock.pc)
[ -n "$pc" ] || {
	echo "paraclock.pc is not installed"
	exit 1
}
libdir=$(dirname "$(dirname "$pc")")
# A prefix that is given at install time does not change the file.
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH LD_LIBRARY_PATH=$libdir
pkg() {
	pkg-config --define-variable=prefix="$prefix" "$@" "${module:-paraclock}"
}

say "man -l, by a page's second name, from another folder"
# A small image of Debian has a stub for man, which shows no page.
if man -l "$here/../man/paraclock_open.3" 2>&1 | grep -q paraclock_close; then
	for pages in "$here/../man" "$prefix"/share/man/man3; do
		(cd / && man -l "$pages/paraclock_close.3") 2>&1 |
			grep -q paraclock_backend_name || {
			echo "$pages/paraclock_close.3 shows no page"
			exit 1
		}
	done
else
	echo "no man here; not tried"
fi

say "find_package"
cmake -S "$here/consumer" -B "$work/consumer" \
	-DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log" 2>&1 || {
	cat "$work/configure.log"
	exit 1
}
cmake --build "$work/consumer" >"$work/build.log" 2>&1 || {
	cat "$work/build.log"
	exit 1
}
"$work/consumer/consumer"
"$work/consumer/consumer++"
say "a component that does not exist"
if cmake -S "$here/consumer" -B "$work/none" -DCMAKE_PREFIX_PATH="$prefix" \
	-DCONSUMER_COMPONENTS=none >"$work/none.log" 2>&1 ||
	! grep -q "without the component none" "$work/none.log"; then
	cat "$work/none.log"
	exit 1
fi

# The simulated host is not in every build.
[ ! -e "$prefix/include/paraclock/sim.h" ] ||
	[ -z "$(find "$prefix" -name 'libparaclock-sim.so')" ] || {
	say "the examples"
	{
		cmake -S "$here/../examples" -B "$work/examples" \
			-DCMAKE_PREFIX_PATH="$prefix" \
			-DCMAKE_C_FLAGS="$warnings" &&
			cmake --build "$work/examples" &&
			ctest --test-dir "$work/examples" --output-on-failure
	} >"$work/examples.log" 2>&1 || {
		cat "$work/examples.log"
		exit 1
	}
	grep "tests passed" "$work/examples.log"
	say "pkg-config, paraclock-sim"
	# shellcheck disable=SC2086,SC2046
	cc -std=c11 $warnings \
		$(module=paraclock-sim pkg --cflags) "$here/../examples/relay.c" \
		-o "$work/relay" $(module=paraclock-sim pkg --libs)
	"$work/relay" >"$work/relay.log"
}

# shellcheck disable=SC2086,SC2046
by_pkg_config() {
	say "pkg-config, C"
	cc -std=c11 $warnings $(pkg --cflags) "$here/consumer/consumer.c" \
		-o "$work/c" $(pkg --libs)
	"$work/c"
	say "pkg-config, C++"
	c++ -std=c++17 $warnings $(pkg --cflags) "$here/consumer/consumer.cc" \
		-o "$work/cc" $(pkg --libs)
	"$work/cc"
	say "pkg-config --static"
	# The library of that name that is an archive, with what it needs.
	cc -std=c11 $warnings $(pkg --cflags) "$here/consumer/consumer.c" \
		-o "$work/static" \
		$(pkg --libs --static | sed 's/-lparaclock/-l:libparaclock.a/')
	env -u LD_LIBRARY_PATH "$work/static"
}
by_pkg_config

version=$(pkg --modversion)
[ "$("$work/c" version)" = "$version" ] || {
	echo "paraclock.pc says $version, the library another version"
	exit 1
}
say "all of them build and run, version $version"
