# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES
  pclk_backend_kvmclock
  pclk_backend_kvm_pairing
  pclk_backend_kvm_host)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/kvmclock/kvm_call.c
  backends/kvmclock/kvm_host.c
  backends/kvmclock/kvm_pairing.c
  backends/kvmclock/kvm_vm.c
  backends/kvmclock/kvmclock.c
  backends/kvmclock/pvclock_read.c)
list(APPEND PARACLOCK_HOST_SOURCES
  backends/kvmclock/pvclock_write.c)
