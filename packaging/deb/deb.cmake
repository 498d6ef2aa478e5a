# SPDX-License-Identifier: MIT
# The packages of Debian, for the release that this is built on.
set(name_lib libparaclock${abi})
set(name_host libparaclock-host${abi})
set(name_sim libparaclock-sim${abi})
set(name_dev libparaclock-dev)
set(name_tool paraclock)
set(name_doc paraclock-doc)
set(name_python python3-paraclock)

# The revision begins anew with each version. Another release of Debian has
# other libraries, so its packages have another version: 0.1.0-1~deb12.
set(revision 1)
file(STRINGS /etc/os-release release REGEX "^VERSION_ID=")
string(REGEX REPLACE "[^0-9]" "" release "${release}")
set(CPACK_DEBIAN_PACKAGE_RELEASE "${revision}~deb${release}")
set(version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SOURCE paraclock)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# It finds our own libraries there, and no package of them: those come below.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS
  ${CMAKE_CURRENT_BINARY_DIR} ${CMAKE_CURRENT_BINARY_DIR}/sim)

foreach(component IN LISTS components)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name_${component}})
endforeach()
set(CPACK_DEBIAN_DOC_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_HOST_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_SIM_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TOOL_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_DOC_PACKAGE_SECTION doc)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)

# Of the same release: host and sim use private symbols of lib.
set(lib "${name_lib} (= ${version})")
set(host "${name_host} (= ${version})")
set(sim "${name_sim} (= ${version})")
set(CPACK_DEBIAN_HOST_PACKAGE_DEPENDS "${lib}")
set(CPACK_DEBIAN_SIM_PACKAGE_DEPENDS "${lib}, ${host}")
# The archives need libfdt and, on x86, libcpuid.
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${lib}, ${host}, ${sim}")
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "libfdt-dev")
if(LIBCPUID_FOUND)
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS ", libcpuid-dev")
endif()
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "pkgconf, paraclock, paraclock-doc")
# postinst makes the user and the group, also where there is no systemd.
set(CPACK_DEBIAN_TOOL_PACKAGE_DEPENDS "${lib}, ${host}, ${sim}, passwd")
set(CPACK_DEBIAN_TOOL_PACKAGE_SUGGESTS
  "chrony, gnuplot-nox, paraclock-doc, qemu-guest-agent")
set(CPACK_DEBIAN_DOC_PACKAGE_SUGGESTS "paraclock, libparaclock-dev")

# loaded_package(SONAME RET): the package of a library that is loaded by
# dlopen(3), which dpkg-shlibdeps cannot see.
function(loaded_package soname ret)
  execute_process(COMMAND dpkg-query -S "*/${soname}"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REGEX REPLACE "[:,].*" "" found "${found}")
  set(${ret} "${found}" PARENT_SCOPE)
endfunction()
if(MICROHTTPD_FOUND)
  loaded_package(libmicrohttpd.so.12 microhttpd)
  set(CPACK_DEBIAN_TOOL_PACKAGE_RECOMMENDS "${microhttpd}")
endif()

if(PARACLOCK_PYTHON)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
    "${lib}, ${host}, ${sim}, ${PARACLOCK_PYTHON_DEPENDS}")
endif()

# control_file(COMPONENT FILE): one of dpkg's files beside control.
macro(control_file component file)
  string(TOUPPER ${component} upper)
  list(APPEND CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA
    ${made}/deb/${component}/${file})
endmacro()
foreach(component lib host sim)
  set(soname libparaclock-${component})
  if(component STREQUAL "lib")
    set(soname libparaclock)
  endif()
  file(WRITE ${made}/deb/${component}/shlibs
    "${soname} ${abi} ${name_${component}} (>= ${PROJECT_VERSION})\n")
  control_file(${component} shlibs)
  configure_file(${packaging}/deb/triggers ${made}/deb/${component}/triggers
    COPYONLY)
  control_file(${component} triggers)
endforeach()
foreach(component IN LISTS components)
  foreach(script postinst prerm postrm)
    if(EXISTS ${packaging}/deb/${component}.${script})
      configure_file(${packaging}/deb/${component}.${script}
        ${made}/deb/${component}/${script} COPYONLY)
      control_file(${component} ${script})
    endif()
  endforeach()
endforeach()

string(TIMESTAMP changed "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${made}/deb/changelog "paraclock (${version}) unstable; urgency=medium

  * Packages for this release of Debian. changelog.gz says what is new.

 -- ${maintainer}  ${changed}
")
file(READ LICENSE licence)
string(REGEX MATCH "\nCopyright [^0-9]*([^\n]*)" ignored "${licence}")
set(copyright "${CMAKE_MATCH_1}")
string(REGEX REPLACE "^.*\n(Permission is hereby)" "\\1" licence "${licence}")
string(REGEX REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REGEX REPLACE "\n([^\n])" "\n \\1" licence "${licence}")
file(WRITE ${made}/deb/copyright "Format: https://www.debian.org/doc/packaging-\
manuals/copyright-format/1.0/
Upstream-Name: paraclock

Files: *
Copyright: ${copyright}
License: Expat

License: Expat
 ${licence}")
configure_file(${packaging}/deb/finish.cmake.in ${made}/deb/finish.cmake @ONLY)
set(CPACK_POST_BUILD_SCRIPTS ${made}/deb/finish.cmake)
