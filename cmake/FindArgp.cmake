# SPDX-License-Identifier: MIT
# Find argp: glibc has it, and musl's users install argp-standalone.
include(CheckSymbolExists)
check_symbol_exists(argp_parse argp.h Argp_IN_LIBC)
if(Argp_IN_LIBC)
  set(wanted Argp_IN_LIBC)
else()
  find_path(Argp_INCLUDE_DIR argp.h)
  find_library(Argp_LIBRARY argp)
  set(wanted Argp_LIBRARY Argp_INCLUDE_DIR)
  mark_as_advanced(Argp_INCLUDE_DIR Argp_LIBRARY)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Argp
  REQUIRED_VARS ${wanted}
  REASON_FAILURE_MESSAGE
  "paraclock(1) parses its options by argp, which this C library lacks. Install \
argp-standalone (Alpine has it by that name, and Debian's libc6-dev has argp), \
or build the library alone with -DPARACLOCK_TOOLS=OFF")
if(Argp_FOUND AND NOT TARGET Argp::Argp)
  add_library(Argp::Argp INTERFACE IMPORTED)
  if(NOT Argp_IN_LIBC)
    set_target_properties(Argp::Argp PROPERTIES
      INTERFACE_LINK_LIBRARIES ${Argp_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${Argp_INCLUDE_DIR})
  endif()
endif()
