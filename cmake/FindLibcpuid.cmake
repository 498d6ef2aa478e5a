# SPDX-License-Identifier: MIT
# Find libcpuid. Also installed: it serves those who link the archives.
find_path(Libcpuid_INCLUDE_DIR libcpuid/libcpuid.h)
find_library(Libcpuid_LIBRARY cpuid)
set(Libcpuid_HINT
  "install libcpuid-dev (Debian, Alpine) or libcpuid-devel (Fedora)")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libcpuid
  REQUIRED_VARS Libcpuid_LIBRARY Libcpuid_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "${Libcpuid_HINT}")
if(Libcpuid_FOUND AND NOT TARGET Libcpuid::Libcpuid)
  add_library(Libcpuid::Libcpuid UNKNOWN IMPORTED)
  set_target_properties(Libcpuid::Libcpuid PROPERTIES
    IMPORTED_LOCATION ${Libcpuid_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${Libcpuid_INCLUDE_DIR})
endif()
mark_as_advanced(Libcpuid_INCLUDE_DIR Libcpuid_LIBRARY)
