# SPDX-License-Identifier: MIT
# What a project sees of the one that it has added.

# seen(PREFIX): remember the variables, targets and tests of this project.
macro(seen prefix)
  get_cmake_property(${prefix}_variables VARIABLES)
  foreach(variable IN LISTS ${prefix}_variables)
    set(${prefix}_of_${variable} "${${variable}}")
  endforeach()
  get_directory_property(${prefix}_targets BUILDSYSTEM_TARGETS)
endmacro()

# It may add cache entries, of its own name and of what it looks for.
set(ours "^(PARACLOCK|paraclock|FETCHCONTENT|Libfdt|Libcpuid|CMAKE_INSTALL_|\
FIND_PACKAGE_MESSAGE|CMAKE_HAVE_LIBC_PTHREAD|BUILD_SHARED|before|after|variable\
)|^_|^CMAKE_(CURRENT|PARENT|PROJECT_VERSION)|ARG[CNV]")

macro(nothing_leaked before after)
  foreach(variable IN LISTS ${after}_variables)
    if(NOT "${variable}" MATCHES "${ours}" AND NOT
       "${${before}_of_${variable}}" STREQUAL "${${after}_of_${variable}}")
      message(FATAL_ERROR "paraclock sets ${variable} to \
'${${after}_of_${variable}}', which was '${${before}_of_${variable}}'")
    endif()
  endforeach()
  if(NOT "${${before}_targets}" STREQUAL "${${after}_targets}")
    message(FATAL_ERROR "targets of this project: ${${after}_targets}")
  endif()
  if(TARGET paraclock_tool OR TARGET paraclock_fake)
    message(FATAL_ERROR "paraclock brings its tool or its tests")
  endif()
endmacro()
