# SPDX-License-Identifier: MIT
# Find libfdt by header and library: Debian's package has no pkg-config file.
# Also installed: it serves those who link the archives.
find_path(Libfdt_INCLUDE_DIR libfdt.h)
find_library(Libfdt_LIBRARY fdt)
set(Libfdt_HINT
  "install libfdt-dev (Debian), libfdt-devel (Fedora) or dtc-dev (Alpine)")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libfdt
  REQUIRED_VARS Libfdt_LIBRARY Libfdt_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "${Libfdt_HINT}")
if(Libfdt_FOUND AND NOT TARGET Libfdt::Libfdt)
  add_library(Libfdt::Libfdt UNKNOWN IMPORTED)
  set_target_properties(Libfdt::Libfdt PROPERTIES
    IMPORTED_LOCATION ${Libfdt_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${Libfdt_INCLUDE_DIR})
endif()
mark_as_advanced(Libfdt_INCLUDE_DIR Libfdt_LIBRARY)
