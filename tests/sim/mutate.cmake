# SPDX-License-Identifier: MIT
# usage: cmake -DSOURCE=x.c -DOUT=y.c -DFROM=... -DTO=... -P mutate.cmake
# A copy of SOURCE in which TO stands for FROM, which it must have once.
file(READ ${SOURCE} text)
string(FIND "${text}" "${FROM}" first)
string(FIND "${text}" "${FROM}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
  message(FATAL_ERROR "${SOURCE}: '${FROM}' is not there once. The rule that "
    "it is part of has moved: mend the CMakeLists.txt that names it")
endif()
string(REPLACE "${FROM}" "${TO}" text "${text}")
file(WRITE ${OUT} "${text}")
