# SPDX-License-Identifier: MIT
# cpack -G DEB or RPM. scripts/package configures for it; docs/packages.md says
# which file is in which package.
set(PARACLOCK_PACKAGES "" CACHE STRING "Packages that cpack makes: DEB or RPM")
if(NOT PARACLOCK_PACKAGES)
  return()
endif()
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  message(FATAL_ERROR "Packages are for /usr: -DCMAKE_INSTALL_PREFIX=/usr")
endif()
if(NOT CMAKE_SKIP_INSTALL_RPATH)
  message(FATAL_ERROR "Distributions forbid an RPATH to a folder that the "
    "loader searches: -DCMAKE_SKIP_INSTALL_RPATH=ON")
endif()
if(NOT TARGET paraclock_sim OR NOT PARACLOCK_TOOLS)
  message(FATAL_ERROR "Packages have the tool and every backend")
endif()

set(packaging ${CMAKE_CURRENT_SOURCE_DIR}/packaging)
set(made ${CMAKE_CURRENT_BINARY_DIR}/packaging)
set(abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(components lib host sim dev tool doc)
# scripts/package unpacks the wheel there.
if(PARACLOCK_PYTHON)
  list(APPEND components python)
  install(DIRECTORY ${PARACLOCK_PYTHON}/ DESTINATION ${PARACLOCK_PYTHON_DIR}
    COMPONENT python USE_SOURCE_PERMISSIONS)
endif()

# describe(COMPONENT SUMMARY TEXT)
macro(describe component summary text)
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}")
  set(CPACK_RPM_${upper}_PACKAGE_SUMMARY "${summary}")
  set(CPACK_RPM_${upper}_PACKAGE_DESCRIPTION "${text}")
endmacro()
set(about "Paraclock reads the clocks that hypervisors give their guests, says
how large the error can be, and whether the machine has been moved, restored
or paused since.")
describe(lib "clocks that hypervisors give their guests"
  "${about}\n\nThis package has the shared library.")
describe(host "clocks for the guests of a VMM"
  "${about}\n\nThis package has the shared library by which a VMM or a nested
hypervisor publishes clocks: page writers, timekeepers and relays.")
describe(sim "simulated host with clocks for tests"
  "${about}\n\nThis package has the shared library that simulates hosts and
VMs, with migrations, clones and leap seconds, for the tests of programs.")
describe(dev "clocks that hypervisors give their guests (development files)"
  "${about}\n\nThis package has the headers, the archives, the files for
pkg-config and CMake, and the manual pages of the functions.")
describe(tool "read, check and publish the clocks of a hypervisor"
  "${about}\n\nThis package has the command paraclock, its services (the right
time after a restore, a reference clock for chronyd, bounded UTC for every
process, metrics), which are installed and not enabled, and a udev rule.")
describe(doc "clocks that hypervisors give their guests (documentation)"
  "${about}\n\nThis package has the guides and the examples.")
describe(python "clocks that hypervisors give their guests (Python 3)"
  "${about}\n\nThis package has the module paraclock for Python 3, and a
plug-in for pytest that simulates a host.")

set(CPACK_PACKAGE_NAME paraclock)
set(CPACK_PACKAGE_VENDOR "The paraclock authors")
# Whoever distributes packages says whom their users write to.
set(maintainer "The paraclock authors <paraclock@localhost.invalid>")
if(DEFINED ENV{DEBEMAIL})
  set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_PACKAGE_CONTACT "${maintainer}")
# Each component has its own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_COMPONENTS_ALL ${components})
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${made}/stage.cmake)
# Its own build, with the flags of the distribution, need not be repeated.
set(CPACK_CMAKE_GENERATOR "${CMAKE_GENERATOR}")

if(PARACLOCK_PACKAGES STREQUAL "DEB")
  include(${packaging}/deb/deb.cmake)
elseif(PARACLOCK_PACKAGES STREQUAL "RPM")
  include(${packaging}/rpm/rpm.cmake)
else()
  message(FATAL_ERROR "PARACLOCK_PACKAGES is ${PARACLOCK_PACKAGES}, which is "
    "neither DEB nor RPM")
endif()
configure_file(${packaging}/stage.cmake.in ${made}/stage.cmake @ONLY)
set(CPACK_GENERATOR ${PARACLOCK_PACKAGES})
include(CPack)
