# SPDX-License-Identifier: MIT
# Build with Debian's musl-gcc, as Alpine would: static programs, because what
# scripts/musl-libs prints, PARACLOCK_MUSL, has archives only.
set(root ${PARACLOCK_MUSL})
# CMake's own try-compiles read this file as well, and need the variable.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PARACLOCK_MUSL)

# Another system: its programs run here, but of this one nothing is found.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
set(CMAKE_C_COMPILER musl-gcc)
set(CMAKE_C_STANDARD_INCLUDE_DIRECTORIES ${root}/include)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)

set(CMAKE_FIND_ROOT_PATH ${root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${root}/lib/pkgconfig)
