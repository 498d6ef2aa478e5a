#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: check_install.sh BUILD_DIRECTORY
# The installed files can be used where they lie: the tool runs without
# ldconfig, below DESTDIR and after a move, and programs in C and C++ find the
# libraries by find_package, by pkg-config, and linked statically.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(realpath "${1:?usage: check_install.sh BUILD_DIRECTORY}")
warnings="-Wall -Wextra -Wpedantic -Werror"
unset LD_LIBRARY_PATH

for tool in cmake pkg-config cc c++ ldd python3; do
	command -v $tool >/dev/null || {
		echo "skipped: no $tool"
		exit 77
	}
done
grep -q pcfiledir "$build/paraclock.pc" || {
	echo "skipped: built for a folder that the dynamic linker searches anyway"
	exit 77
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
	echo "--- $*"
}

fail() {
	echo "$*"
	exit 1
}

# quiet NAME COMMAND ...: show what it prints only if it fails.
quiet() {
	local log=$work/$1.log
	shift
	"$@" >"$log" 2>&1 || {
		cat "$log"
		fail "$*"
	}
}

# runs PREFIX: does the tool there run, with the libraries that lie beside it?
runs() {
	local tool=$1/bin/paraclock libraries
	[ -e "$tool" ] || return 0
	"$tool" --version
	libraries=$(ldd "$tool" | grep libparaclock)
	! grep -v "=> $(realpath "$1")/" <<<"${libraries//bin\/..\//}" ||
		fail "not those of $1"
}

say "install"
quiet install cmake --install "$build" --prefix "$work/first"
runs "$work/first"
say "moved"
mkdir "$work/elsewhere"
mv "$work/first" "$work/elsewhere/prefix"
prefix=$work/elsewhere/prefix
runs "$prefix"
say "below DESTDIR"
DESTDIR=$work/destdir quiet destdir cmake --install "$build"
destdir=$(find "$work/destdir" -name paraclock.pc)
runs "${destdir%/lib*}"

# units TOOL FOLDER: do the units below FOLDER run that tool, all six and the
# drop-in?
units() {
	[ -e "$prefix/bin/paraclock" ] || return 0
	grep -r --include='*.service' --include='dev-mem.conf' \
		'^ExecStart=.*paraclock ' "$2" >"$work/units" || true
	[ "$(grep -c "ExecStart=$1 " "$work/units")" -eq 7 ] ||
		fail "not seven units run $1: $(cat "$work/units")"
	[ "$(wc -l <"$work/units")" -eq 7 ] ||
		fail "other units: $(cat "$work/units")"
}
say "the units run the tool of the prefix"
units "$work/first/bin/paraclock" "$prefix"
configured=$(sed -n 's/^CMAKE_INSTALL_PREFIX:[A-Z]*=//p' "$build/CMakeCache.txt")
units "$configured/bin/paraclock" "$work/destdir"
DESTDIR=$work/both quiet both cmake --install "$build" --prefix /opt/other
units /opt/other/bin/paraclock "$work/both"

say "the licence, and the documents that the manual names"
doc=$(find "$prefix" -name guarantees.md)
for file in LICENSE NEWS json.md restore.md platforms/README.md \
	examples/migration.sim; do
	[ -s "${doc%/*}/$file" ] || fail "${doc%/*} lacks $file"
done

pc=$(find "$prefix" -name paraclock.pc)
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH

say "man -l, by a page's second name, from another folder"
# A small image of Debian has a stub for man, which shows no page.
if man -l "$here/../man/paraclock_open.3" 2>&1 | grep -q paraclock_close; then
	for pages in "$here/../man" "$prefix"/share/man/man3; do
		(cd / && man -l "$pages/paraclock_close.3") 2>&1 |
			grep -q paraclock_backend_name ||
			fail "$pages/paraclock_close.3 shows no page"
	done
else
	echo "no man here; not tried"
fi

say "the examples of the manual"
python3 -B "$here/check_man_examples.py" "$prefix/include" \
	"$prefix/share/man/man3"

# consume NAME CMAKE-ARGUMENT ...: configure the project in consumer/.
consume() {
	local name=$1
	shift
	cmake -S "$here/consumer" -B "$work/$name" -DCMAKE_C_FLAGS="$warnings" \
		"$@" >"$work/$name.log" 2>&1
}

# refused TEXT CMAKE-ARGUMENT ...: that fails, and TEXT is the reason.
refused() {
	local text=$1
	shift
	say "a component is missing: $text"
	rm -rf "$work/refused"
	if consume refused "$@" ||
		! tr -s ' \n' ' ' <"$work/refused.log" | grep -q -e "$text"; then
		cat "$work/refused.log"
		fail "it does not say: $text"
	fi
}

by_find_package() {
	local program
	say "find_package"
	# The simulated host is not in every build.
	components="host;static;core"
	[ -z "$(find "$prefix" -name 'libparaclock-sim.so')" ] ||
		components+=";sim"
	consume find -DCMAKE_PREFIX_PATH="$prefix" \
		-DCONSUMER_COMPONENTS="$components" || {
		cat "$work/find.log"
		fail "find_package"
	}
	quiet build cmake --build "$work/find"
	for program in "$work"/find/consumer*; do
		quiet program "$program"
	done
	refused "there is no such component" \
		-DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_COMPONENTS="none"
	refused "need Libfdt.* install libfdt-dev" -DLibfdt_LIBRARY= \
		-DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_COMPONENTS=static
}
by_find_package

# The files of a build without the simulated host say so.
without_sim() {
	local pkg=$work/less/${libdir#"$prefix/"}/cmake/paraclock
	cp -r "$prefix" "$work/less"
	quiet less cmake -S "$here/.." -B "$work/less-build" \
		-DPARACLOCK_BACKENDS="phc;tsc" -DPARACLOCK_TOOLS=OFF \
		-DBUILD_TESTING=OFF
	rm "$pkg"/*Targets*.cmake
	cp "$work/less-build/paraclockConfig.cmake" "$pkg"
	find "$work/less-build/CMakeFiles/Export" -name '*.cmake' \
		-exec cp {} "$pkg" \;
	refused 'needs the backends.*PARACLOCK_BACKENDS="phc;tsc"' \
		-DCMAKE_PREFIX_PATH="$work/less" -DCONSUMER_COMPONENTS="host;sim"
}
without_sim

# With one backend, to build less.
from_sources() {
	local by
	for by in add fetch; do
		say "from sources: $by"
		consume $by -DCONSUMER_BY=$by -DCONSUMER_SOURCE="$here/.." \
			-DPARACLOCK_BACKENDS=tsc || {
			cat "$work/$by.log"
			fail "from sources: $by"
		}
		[ ! -e "$work/$by/compile_commands.json" ] ||
			fail "it writes compile_commands.json"
		! ctest --test-dir "$work/$by" -N | grep 'Test *#' ||
			fail "it brings tests"
	done
	quiet add-build cmake --build "$work/add" -j "$(nproc)" \
		--target consumer consumer_static
	"$work/add/consumer"
	"$work/add/consumer_static"
	DESTDIR=$work/nothing cmake --install "$work/add" >/dev/null
	[ ! -e "$work/nothing" ] || fail "it installs what nobody asked for"
}
from_sources

say "the examples, as they are installed"
examples=$(find "$prefix" -path '*/examples/CMakeLists.txt')
{
	cmake -S "${examples%/*}" -B "$work/examples" \
		-DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="$warnings" &&
		cmake --build "$work/examples" &&
		ctest --test-dir "$work/examples" --output-on-failure
} >"$work/examples.log" 2>&1 || {
	cat "$work/examples.log"
	exit 1
}
grep "tests passed\|No tests" "$work/examples.log"

# The simulated host is not in every build, and neither is the tool.
if [ -x "$work/examples/vmm_test" ] && [ -x "$prefix/bin/paraclock" ]; then
	say "they run, on a simulated host"
	while read -r check test; do
		python3 -B "$here/examples/$check" "$prefix/bin/paraclock" \
			"$work/examples" "$test" >"$work/examples.log" 2>&1 || {
			cat "$work/examples.log"
			exit 1
		}
	done <<-'TXT'
		check_guards.py Transactions.test_it_commits_while_nothing_happens
		check_relays.py Relays.test_an_announced_move_freezes_it
	TXT
	say "pkg-config, paraclock-sim"
	# shellcheck disable=SC2086,SC2046
	cc -std=c11 $warnings \
		$(pkg-config --cflags paraclock-sim) \
		"$here/../examples/unit_test.c" -o "$work/unit_test" \
		$(pkg-config --libs paraclock-sim)
	LD_LIBRARY_PATH=$libdir "$work/unit_test" >"$work/unit_test.log"
fi

# shellcheck disable=SC2086,SC2046
by_pkg_config() {
	local cflags libs
	cflags=$(pkg-config --cflags paraclock)
	libs=$(pkg-config --libs paraclock)
	say "pkg-config, C"
	cc -std=c11 $warnings $cflags "$here/consumer/consumer.c" \
		-o "$work/c" $libs
	LD_LIBRARY_PATH=$libdir "$work/c"
	say "pkg-config, C++"
	c++ -std=c++17 $warnings $cflags "$here/consumer/consumer.cc" \
		-o "$work/cc" $libs
	LD_LIBRARY_PATH=$libdir "$work/cc"
	say "pkg-config --static"
	# The library of that name that is an archive, with what it needs.
	cc -std=c11 $warnings $cflags "$here/consumer/consumer.c" \
		-o "$work/static" \
		$(pkg-config --libs --static paraclock |
			sed 's/-lparaclock/-l:libparaclock.a/')
	"$work/static"
}
by_pkg_config

version=$(pkg-config --modversion paraclock)
[ "$("$work/static" version)" = "$version" ] ||
	fail "paraclock.pc says $version, the library another version"
say "all of them build and run, version $version"
