// SPDX-License-Identifier: MIT
/*
 * CPUID, MSRs and the hypercall.
 *
 * References: Hyper-V TLFS, "Feature Discovery", "Timers"; Linux
 * Documentation/virt/kvm/x86/{cpuid,msr,hypercalls}.rst.
 */

#include <errno.h>

#include "guest.h"

#define KVM_PARTS (PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_PAIRING)
/* The old and the new MSRs, and that TSC_STABLE is meaningful. */
#define KVM_CLOCK_FEATURES (1U << 0 | 1U << 3 | 1U << 24)
/* Privileges: the reference count, the reference TSC, the frequency MSRs, and
 * an invariant TSC. */
#define HYPERV_ACCESS	   (1U << 1 | 1U << 9 | 1U << 11 | 1U << 15)
#define HYPERV_REENLIGHTEN (1U << 13)
#define HYPERV_FREQUENCIES (1U << 8)

#define MSR_TSC		     0x10U
#define MSR_SYSTEM_TIME	     0x4b564d01U
#define MSR_REF_COUNT	     0x40000020U
#define MSR_REF_TSC	     0x40000021U
#define MSR_TSC_FREQUENCY    0x40000022U
#define MSR_APIC_FREQUENCY   0x40000023U
#define MSR_REENLIGHTENMENT  0x40000106U
#define MSR_EMULATION	     0x40000107U
#define MSR_EMULATION_STATUS 0x40000108U
#define MSR_INVARIANT	     0x40000118U
#define MSR_ENABLE	     1U
#define MSR_PAGE	     (~(uint64_t)(PAGE_BYTES - 1))

#define APIC_HZ	       1000000000U
#define REF_UNIT_NS    100
#define HC_PAIRING     9U
#define KVM_EFAULT     (-14)
#define KVM_EOPNOTSUPP (-95)
#define KVM_ENOSYS     (-1000)

/* --- CPUID ---------------------------------------------------------------- */

static void sign(uint32_t ret_regs[4], uint32_t last_leaf,
		 const char signature[13])
{
	ret_regs[0] = last_leaf;
	memcpy(&ret_regs[1], signature, 12);
}

static void hyperv_leaf(uint32_t parts, uint32_t n, uint32_t ret_regs[4])
{
	if (n == 0) {
		sign(ret_regs, 0x40000006, "Microsoft Hv");
	} else if (n == 1) {
		memcpy(ret_regs, "Hv#1", 4);
	} else if (n == 3) {
		ret_regs[0] = HYPERV_ACCESS;
		ret_regs[3] = HYPERV_FREQUENCIES;
		if (parts & PARACLOCK_SIM_HAS_REENLIGHTENMENT)
			ret_regs[0] |= HYPERV_REENLIGHTEN;
	}
}

static void kvm_leaf(uint32_t parts, uint32_t base, uint32_t n,
		     uint32_t ret_regs[4])
{
	if (n == 0)
		sign(ret_regs, base + 1, "KVMKVMKVM\0\0\0");
	else if (n == 1 && parts & PARACLOCK_SIM_HAS_PVCLOCK)
		ret_regs[0] = KVM_CLOCK_FEATURES;
}

int pclk_sim_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		   uint32_t ret_regs[4])
{
	uint32_t parts = sim_vm_of(ctx)->opts.parts;
	bool hyperv = parts & PARACLOCK_SIM_HAS_HYPERV;
	/* QEMU puts Hyper-V's leaves first where it has both. */
	uint32_t kvm = hyperv ? 0x40000100 : 0x40000000;

	(void)subleaf;
	memset(ret_regs, 0, 4 * sizeof(ret_regs[0]));
	if (leaf == 1)
		ret_regs[2] = 1U << 31;
	else if (leaf == 0x80000000)
		ret_regs[0] = 0x80000007;
	else if (leaf == 0x80000007)
		ret_regs[3] = 1U << 8;
	else if (hyperv && leaf - 0x40000000 < 0x100)
		hyperv_leaf(parts, leaf - 0x40000000, ret_regs);
	else if ((!hyperv || parts & KVM_PARTS) && leaf - kvm < 0x100)
		kvm_leaf(parts, kvm, leaf - kvm, ret_regs);
	return 0;
}

/* --- MSRs ----------------------------------------------------------------- */

/* An MSR that the host does not have faults in the guest (-EOPNOTSUPP). */
static bool has_msr(const struct paraclock_sim_vm *vm, uint32_t msr)
{
	const uint32_t parts = vm->opts.parts;

	if (msr == MSR_TSC)
		return true;
	if (msr == MSR_SYSTEM_TIME)
		return parts & PARACLOCK_SIM_HAS_PVCLOCK;
	if (msr >= MSR_REENLIGHTENMENT && msr <= MSR_EMULATION_STATUS)
		return parts & PARACLOCK_SIM_HAS_REENLIGHTENMENT;
	return parts & PARACLOCK_SIM_HAS_HYPERV;
}

static uint64_t reference_count(const struct paraclock_sim_vm *vm)
{
	u128 mono = pclk_sim_vm_mono(vm, pclk_sim_instant(vm->sim));

	return (uint64_t)(mono >> 64) / REF_UNIT_NS;
}

/* The rate that the TSC has without emulation: the guest learns it before it
 * ends emulation. */
static uint64_t frequency(const struct paraclock_sim_vm *vm)
{
	struct sim_hz hz =
		pclk_sim_hz_scale(pclk_sim_host_hz(vm->host), vm->own_ratio);

	return hz.hz >> hz.bits;
}

static int read_msr(struct paraclock_sim_vm *vm, uint32_t msr,
		    uint64_t *ret_value)
{
	struct sim_page *page = pclk_sim_page_of(vm, PARACLOCK_SIM_HYPERV, 0);
	int vcpu = pclk_sim_this_vcpu(vm);

	switch (msr) {
	case MSR_TSC:
		*ret_value =
			(uint64_t)(pclk_sim_vm_tsc(vm,
						   pclk_sim_instant(vm->sim)) >>
				   64) +
			vm->skew[vcpu < 0 ? 0 : vcpu];
		break;
	case MSR_SYSTEM_TIME:
		page = pclk_sim_page_of(vm, PARACLOCK_SIM_PVCLOCK,
					vcpu < 0 ? 0 : (unsigned int)vcpu);
		*ret_value = pclk_sim_phys_of(page) | MSR_ENABLE;
		break;
	case MSR_REF_COUNT:
		*ret_value = reference_count(vm);
		break;
	case MSR_REF_TSC:
		*ret_value = pclk_sim_phys_of(page) | MSR_ENABLE;
		break;
	case MSR_TSC_FREQUENCY:
		*ret_value = frequency(vm);
		break;
	case MSR_APIC_FREQUENCY:
		*ret_value = APIC_HZ;
		break;
	case MSR_REENLIGHTENMENT:
		*ret_value = vm->msrs.reenlightenment;
		break;
	case MSR_EMULATION:
		*ret_value = vm->msrs.emulation;
		break;
	case MSR_EMULATION_STATUS:
		*ret_value = vm->emulated;
		break;
	case MSR_INVARIANT:
		*ret_value = 1;
		break;
	default:
		return -EOPNOTSUPP;
	}
	return 0;
}

int pclk_sim_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	int ret;

	if (!has_msr(vm, msr))
		return -EOPNOTSUPP;
	pclk_sim_lock(vm->sim);
	ret = read_msr(vm, msr, ret_value);
	pclk_sim_unlock(vm->sim);
	return ret;
}

/* A guest may place a page anywhere. This one has each page at one address
 * only, and keeps it when one of several programs in it disables the MSR. */
static int place_page(struct paraclock_sim_vm *vm, uint64_t value)
{
	if (!(value & MSR_ENABLE))
		return 0;
	for (unsigned int i = 0; i < vm->n_pages; i++) {
		if (pclk_sim_phys_of(&vm->page[i]) == (value & MSR_PAGE)) {
			pclk_sim_page_renew(vm, &vm->page[i]);
			return pclk_sim_take_error(vm->sim);
		}
	}
	return -EINVAL;
}

static int write_msr(struct paraclock_sim_vm *vm, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_SYSTEM_TIME:
	case MSR_REF_TSC:
		return place_page(vm, value);
	case MSR_REENLIGHTENMENT:
		vm->msrs.reenlightenment = value;
		return 0;
	case MSR_EMULATION:
		vm->msrs.emulation = value;
		return 0;
	case MSR_EMULATION_STATUS:
		if (!(value & MSR_ENABLE))
			pclk_sim_end_emulation(vm);
		return pclk_sim_take_error(vm->sim);
	case MSR_INVARIANT:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int pclk_sim_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	int ret;

	if (!has_msr(vm, msr))
		return -EOPNOTSUPP;
	pclk_sim_lock(vm->sim);
	ret = write_msr(vm, msr, value);
	pclk_sim_unlock(vm->sim);
	return ret;
}

/* --- the hypercall -------------------------------------------------------- */

struct pairing {
	int64_t sec;
	int64_t nsec;
	uint64_t tsc;
	uint64_t flags_and_pad[5];
};
_Static_assert(sizeof(struct pairing) == 64, "as KVM's");

static int64_t pair(struct paraclock_sim_vm *vm, const uint64_t args[4])
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	uint64_t at = args[0] - SIM_PHYS_PAIRING;
	uint64_t now = pclk_sim_instant(vm->sim);
	u128 utc = sim_to_utc(&real->utc, pclk_sim_host_tai(real, now));
	int vcpu = pclk_sim_this_vcpu(vm);
	struct pairing result = {
		.sec = (int64_t)(utc >> 64) / NSEC_PER_SEC,
		.nsec = (int64_t)(utc >> 64) % NSEC_PER_SEC,
		.tsc = (uint64_t)(pclk_sim_vm_tsc(vm, now) >> 64),
	};

	if (!(vm->opts.parts & PARACLOCK_SIM_HAS_PAIRING))
		return KVM_ENOSYS;
	if (args[1] || !pclk_sim_is_paired(vm->host))
		return KVM_EOPNOTSUPP;
	if (at > PAGE_BYTES - sizeof(result))
		return KVM_EFAULT;
	result.tsc += vm->skew[vcpu < 0 ? 0 : vcpu];
	memcpy(vm->pairing + at, &result, sizeof(result));
	return 0;
}

int pclk_sim_hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		       uint64_t ret_regs[4])
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	struct paraclock_sim *sim = vm->sim;
	uint32_t half = sim->opts.exit_ns / 2;

	pclk_sim_lock(sim);
	/* The exit takes time before and after the host reads its clock. */
	pclk_sim_spend(sim, half);
	ret_regs[0] =
		(uint64_t)(number == HC_PAIRING ? pair(vm, args) : KVM_ENOSYS);
	pclk_sim_spend(sim, sim->opts.exit_ns - half);
	pclk_sim_unlock(sim);
	return 0;
}
