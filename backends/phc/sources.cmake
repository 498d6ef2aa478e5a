# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES paraclock_backend_phc)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/phc/phc.c
  backends/phc/phc_scale.c)
