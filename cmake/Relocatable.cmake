# SPDX-License-Identifier: MIT
# An installed tree works where it lies: without ldconfig, below DESTDIR, and
# after a move. Programs, libraries and pkg-config files find the others by
# paths that are relative to themselves. The exceptions are a libdir that the
# dynamic linker searches anyway, and one that is absolute.
#   PARACLOCK_TOOL_RPATH, PARACLOCK_LIBRARY_RPATH   where they look
#   PARACLOCK_PC_PREFIX, PARACLOCK_PC_LIBDIR, PARACLOCK_PC_INCLUDEDIR
set(PARACLOCK_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
foreach(dir LIBDIR INCLUDEDIR)
  set(PARACLOCK_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(PARACLOCK_PC_${dir} ${CMAKE_INSTALL_${dir}})
  endif()
endforeach()
if(CMAKE_INSTALL_FULL_LIBDIR IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  return()
endif()

set(PARACLOCK_LIBRARY_RPATH $ORIGIN)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(PARACLOCK_TOOL_RPATH ${CMAKE_INSTALL_LIBDIR})
  return()
endif()
file(RELATIVE_PATH from_bin
  ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(PARACLOCK_TOOL_RPATH $ORIGIN/${from_bin})
file(RELATIVE_PATH to_prefix
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
set(PARACLOCK_PC_PREFIX "\${pcfiledir}/${to_prefix}")
