# SPDX-License-Identifier: MIT
# The reference of the functions in HTML, from the comments of the public
# headers: the target doc writes doc/html in the build's folder. What is there
# is installed as the component doc.
find_program(PARACLOCK_DOXYGEN doxygen)

# An example is described by the first comment in its file.
file(GLOB_RECURSE examples CONFIGURE_DEPENDS
  ${CMAKE_CURRENT_SOURCE_DIR}/examples/*.c)
foreach(example IN LISTS examples)
  file(READ ${example} text LIMIT 4096)
  string(FIND "${text}" "/*" from)
  string(FIND "${text}" "*/" to)
  math(EXPR from "${from} + 2")
  math(EXPR length "${to} - ${from}")
  string(SUBSTRING "${text}" ${from} ${length} says)
  string(REGEX REPLACE "\n \\* ?" "\n" says "${says}")
  cmake_path(GET example FILENAME name)
  string(APPEND PARACLOCK_DOC_EXAMPLES
    "/**\n@example ${name}\n${says}\n*/\n")
endforeach()
configure_file(docs/api/Doxyfile.in doc/Doxyfile @ONLY)
configure_file(docs/api/examples.dox.in doc/examples.dox @ONLY)

if(PARACLOCK_DOXYGEN)
  add_custom_target(doc
    COMMAND ${CMAKE_COMMAND} -E rm -rf doc/html
    COMMAND ${PARACLOCK_DOXYGEN} doc/Doxyfile
    WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
    COMMENT "Writing doc/html/index.html"
    VERBATIM)
else()
  add_custom_target(doc
    COMMAND ${CMAKE_COMMAND} -E echo
      "doxygen is not installed. Install it, and configure again."
    COMMAND ${CMAKE_COMMAND} -E false
    VERBATIM)
endif()
install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/doc/html
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT doc
  OPTIONAL)
