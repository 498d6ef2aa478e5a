/* SPDX-License-Identifier: MIT */
/*
 * KVM's leaves of CPUID.
 *
 * Source: Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef KVM_CPUID_H
#define KVM_CPUID_H

#include "base/cpuid.h"

#define KVM_SIGNATURE "KVMKVMKVM\0\0\0"

#endif
