# SPDX-License-Identifier: MIT
# Build for arm64 on another machine, with Debian's cross compiler, and run the
# programs with qemu-user. PARACLOCK_ARM64 is a folder with the libraries for
# arm64; scripts/arm64-libs makes one and prints its name.
set(triplet aarch64-linux-gnu)
set(root ${PARACLOCK_ARM64})
# CMake's own try-compiles read this file as well, and need the variable.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PARACLOCK_ARM64)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L /usr/${triplet})

set(CMAKE_FIND_ROOT_PATH ${root} /usr/${triplet})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Debian's libncurses.so is a linker script: it finds its parts here.
set(CMAKE_EXE_LINKER_FLAGS_INIT
  "-L${root}/lib/${triplet} -Wl,-rpath-link,${root}/lib/${triplet}")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${root})
set(ENV{PKG_CONFIG_LIBDIR} ${root}/usr/lib/${triplet}/pkgconfig)
