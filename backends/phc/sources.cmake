# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES pclk_backend_phc)
list(APPEND PARACLOCK_LINUX_BACKEND_SOURCES
  backends/phc/phc.c
  backends/phc/phc_scale.c)
