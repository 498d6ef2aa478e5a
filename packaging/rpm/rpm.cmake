# SPDX-License-Identifier: MIT
# Packages for distributions with rpm, named as Fedora names them.
set(name_lib paraclock-libs)
set(name_host paraclock-host-libs)
set(name_sim paraclock-sim-libs)
set(name_dev paraclock-devel)
set(name_tool paraclock)
set(name_doc paraclock-doc)
set(name_python python3-paraclock)

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE MIT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
# Links for debuggers, which only packages with debugging symbols need.
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none")
foreach(component IN LISTS components)
  string(TOUPPER ${component} upper)
  set(CPACK_RPM_${upper}_PACKAGE_NAME ${name_${component}})
  set(CPACK_RPM_${upper}_USER_FILELIST
    "%license /usr/share/licenses/${name_${component}}/LICENSE")
endforeach()
set(CPACK_RPM_DOC_PACKAGE_ARCHITECTURE noarch)

# rpm finds the libraries that are linked. Of the same release: host and sim use
# private symbols of lib.
set(lib "${name_lib} = ${PROJECT_VERSION}-1")
set(host "${name_host} = ${PROJECT_VERSION}-1")
set(sim "${name_sim} = ${PROJECT_VERSION}-1")
set(CPACK_RPM_HOST_PACKAGE_REQUIRES "${lib}")
set(CPACK_RPM_SIM_PACKAGE_REQUIRES "${lib}, ${host}")
set(CPACK_RPM_DEV_PACKAGE_REQUIRES "${lib}, ${host}, ${sim}")
set(CPACK_RPM_TOOL_PACKAGE_REQUIRES "${lib}, ${host}, ${sim}")
set(CPACK_RPM_TOOL_PACKAGE_SUGGESTS "chrony, gnuplot, ${name_doc}")
set(CPACK_RPM_PYTHON_PACKAGE_REQUIRES "${lib}, ${host}, ${sim}, python3-cffi")

foreach(script post preun postun)
  configure_file(${packaging}/rpm/tool.${script}
    ${made}/rpm/tool.${script} COPYONLY)
endforeach()
set(CPACK_RPM_TOOL_POST_INSTALL_SCRIPT_FILE ${made}/rpm/tool.post)
set(CPACK_RPM_TOOL_PRE_UNINSTALL_SCRIPT_FILE ${made}/rpm/tool.preun)
set(CPACK_RPM_TOOL_POST_UNINSTALL_SCRIPT_FILE ${made}/rpm/tool.postun)

# Folders that belong to the distribution's own packages.
set(libdir /usr/${CMAKE_INSTALL_LIBDIR})
set(share /usr/share)
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
  /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d
  /usr/lib/tmpfiles.d /usr/lib/udev /usr/lib/udev/rules.d
  ${libdir} ${libdir}/cmake ${libdir}/pkgconfig
  ${share}/licenses ${share}/man ${share}/man/man1 ${share}/man/man3
  ${share}/man/man5 ${share}/man/man7 ${share}/man/man8
  ${share}/bash-completion ${share}/bash-completion/completions
  ${share}/fish ${share}/fish/vendor_completions.d
  ${share}/zsh ${share}/zsh/site-functions)
if(PARACLOCK_PYTHON)
  cmake_path(GET PARACLOCK_PYTHON_DIR PARENT_PATH folder)
  list(APPEND CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /usr/${folder} /usr/${PARACLOCK_PYTHON_DIR})
endif()
