# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES
  pclk_backend_kvmclock
  pclk_backend_kvm_pairing
  pclk_backend_kvm_host)
# In ring 0, kvm-pairing is the hypercall and nothing else.
list(APPEND PARACLOCK_CORE_TABLES
  pclk_backend_kvmclock
  pclk_backend_kvm_call)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/kvmclock/kvm_call.c
  backends/kvmclock/kvm_smccc.c
  backends/kvmclock/kvm_vmcall.c
  backends/kvmclock/kvmclock.c
  backends/kvmclock/pvclock_read.c)
list(APPEND PARACLOCK_LINUX_BACKEND_SOURCES
  backends/kvmclock/kvm_host.c
  backends/kvmclock/kvm_pairing.c
  backends/kvmclock/kvm_vm.c)
list(APPEND PARACLOCK_HOST_SOURCES
  backends/kvmclock/pvclock_write.c)
