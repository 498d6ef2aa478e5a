// SPDX-License-Identifier: MIT
/* How much work a script is: one that would run for hours is refused. */

#include "parser.h"

static bool has_torn_page(const struct name *vm)
{
	for (unsigned int i = 0; i < ARRAY_LEN(vm->torn); i++) {
		if (vm->torn[i])
			return true;
	}
	return false;
}

/* How much a VM does in ns. */
static uint64_t work_of(const struct name *vm, uint64_t ns)
{
	uint64_t work = vm->every_ns ? ns / vm->every_ns + 1 : 0;

	if (has_torn_page(vm))
		work *= TORN_WORK;
	if (vm->parts & PARACLOCK_SIM_HAS_PVCLOCK)
		work += vm->vcpus * (ns / vm->pvclock_ns);
	if (vm->parts &
	    (PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS))
		work += ns / vm->vmclock_ns;
	return work;
}

int pclk_sim_script_pass(struct parser *p, uint64_t ns)
{
	p->passed_ns += ns;
	if (p->passed_ns > PASSES_MAX_NS)
		return pclk_sim_script_wrong(
			p,
			"the script takes too long; expected at most 366 days");
	for (unsigned int i = 0; i < p->script->names; i++) {
		const struct name *name = &p->script->name[i];

		if (name->kind == KIND_VM)
			p->work += work_of(name, ns);
	}
	if (p->work > WORK_MAX)
		return pclk_sim_script_wrong(
			p,
			"too much work; expected at most %u renewals of pages "
			"and readings of 'watch' in all (a reading of a torn "
			"page counts as a thousand)",
			WORK_MAX);
	return 0;
}
