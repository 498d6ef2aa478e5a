# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES pclk_backend_tsc)
list(APPEND PARACLOCK_CORE_TABLES pclk_backend_tsc)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/tsc/tsc.c)
