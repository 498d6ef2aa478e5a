// SPDX-License-Identifier: MIT
/* Checks of a statement against the ones before it. */

#include "parser.h"

/* Shorter periods would test nothing more, and take too long. */
#define PERIOD_MIN_NS 1000000
#define EVERY_MIN_NS  1000

/* The limit of sim.h. */
#define TAI_OFFSET_MAX 100

/* What is wrong with s is its argument i. */
static void blame(struct parser *p, const struct statement *s, unsigned int i)
{
	p->column = GIVEN(s, i) ? s->column[i] : s->at;
}

static struct name *vm_of(struct parser *p, const struct statement *s)
{
	return pclk_sim_script_name_of(p->script, KIND_VM, s->value[0]);
}

static struct name *host_of(struct parser *p, int64_t index)
{
	return pclk_sim_script_name_of(p->script, KIND_HOST, index);
}

/* The VM that a nested host is; NULL: the host is a physical one. */
static const struct name *inside_of(struct parser *p, const struct name *host)
{
	return host->of ? pclk_sim_script_name_of(p->script, KIND_VM,
						  host->of - 1)
			: NULL;
}

static int check_world(struct parser *p, const struct statement *s)
{
	if (p->script->statements)
		return pclk_sim_script_wrong(p, "'world' comes after another "
						"statement; expected it first");
	blame(p, s, WORLD_TAI_OFFSET);
	if (GIVEN(s, WORLD_TAI_OFFSET) &&
	    (!s->value[WORLD_TAI_OFFSET] ||
	     s->value[WORLD_TAI_OFFSET] > TAI_OFFSET_MAX))
		return pclk_sim_script_wrong(
			p, "tai-offset is out of range; expected 1 to %d",
			TAI_OFFSET_MAX);
	return 0;
}

static int check_period(struct parser *p, const struct statement *s,
			unsigned int i, int64_t least)
{
	if (!GIVEN(s, i) || s->value[i] >= least)
		return 0;
	blame(p, s, i);
	return pclk_sim_script_wrong(
		p, "the period is too short; expected %s or more",
		least == EVERY_MIN_NS ? "1us" : "1ms");
}

static int check_vm(struct parser *p, const struct statement *s)
{
	struct name *vm = vm_of(p, s);
	int ret = 0;

	vm->parts = GIVEN(s, VM_PARTS) ? (uint32_t)s->value[VM_PARTS]
				       : PARACLOCK_SIM_HAS_PVCLOCK;
	vm->on = (uint8_t)s->value[VM_HOST];
	vm->vcpus = GIVEN(s, VM_VCPUS) ? (uint32_t)s->value[VM_VCPUS] : 1;
	vm->pvclock_ns = GIVEN(s, VM_PVCLOCK_EVERY)
				 ? (uint64_t)s->value[VM_PVCLOCK_EVERY]
				 : PVCLOCK_EVERY_NS;
	vm->vmclock_ns = GIVEN(s, VM_VMCLOCK_EVERY)
				 ? (uint64_t)s->value[VM_VMCLOCK_EVERY]
				 : VMCLOCK_EVERY_NS;
	blame(p, s, VM_VCPUS);
	if (!vm->vcpus || vm->vcpus > PARACLOCK_SIM_VCPUS_MAX)
		return pclk_sim_script_wrong(
			p, "vcpus is out of range; expected 1 to %d",
			PARACLOCK_SIM_VCPUS_MAX);
	ret = check_period(p, s, VM_PVCLOCK_EVERY, PERIOD_MIN_NS);
	return ret ? ret : check_period(p, s, VM_VMCLOCK_EVERY, PERIOD_MIN_NS);
}

/* The VM lands on the host of argument i, which must not be inside the
 * statement's VM. */
static int check_landing(struct parser *p, const struct statement *s,
			 struct name *vm, unsigned int i)
{
	int64_t to = s->value[i];
	const struct name *host = host_of(p, to), *at = host;

	while (at->of && at->of - 1 != s->value[0])
		at = host_of(p, inside_of(p, at)->on);
	blame(p, s, i);
	if (at->of)
		return pclk_sim_script_wrong(
			p,
			"%s is inside of %s; expected a host that "
			"is not",
			host->text, vm_of(p, s)->text);
	vm->on = (uint8_t)to;
	return 0;
}

/* A clone has all that its original has, except the clocks open in it. */
static int check_clone(struct parser *p, const struct statement *s)
{
	const struct name *of = vm_of(p, s);
	struct name *vm =
		pclk_sim_script_name_of(p->script, KIND_VM, s->value[1]);

	vm->parts = of->parts;
	vm->vcpus = of->vcpus;
	vm->pvclock_ns = of->pvclock_ns;
	vm->vmclock_ns = of->vmclock_ns;
	vm->on = of->on;
	return GIVEN(s, COPY_TO) ? check_landing(p, s, vm, COPY_TO) : 0;
}

static int check_vcpu(struct parser *p, const struct statement *s,
		      unsigned int i, int64_t vcpu)
{
	const struct name *vm = vm_of(p, s);

	blame(p, s, i);

	if (vcpu < vm->vcpus)
		return 0;
	return pclk_sim_script_wrong(p, "%s has no vCPU %d; expected 0 to %u",
				     vm->text, (int)vcpu, vm->vcpus - 1);
}

/* Does 'publish' write the VM's pages, or the simulation? */
static int check_writer(struct parser *p, const struct statement *s,
			bool publish)
{
	const struct name *vm = vm_of(p, s);

	blame(p, s, 0);
	if (publish == !!(vm->parts & PARACLOCK_SIM_HAS_NO_WRITER))
		return 0;
	return pclk_sim_script_wrong(
		p,
		publish ? "%s has a writer; expected a VM made with no-writer"
			: "%s was made with no-writer; expected 'publish'",
		vm->text);
}

static int check_publish(struct parser *p, const struct statement *s)
{
	int ret = check_writer(p, s, true);

	if (!ret && !(vm_of(p, s)->parts & PARACLOCK_SIM_HAS_VMCLOCK))
		ret = pclk_sim_script_wrong(
			p, "%s has no vmclock; expected a VM made with vmclock",
			vm_of(p, s)->text);
	if (ret)
		return ret;
	blame(p, s, PUBLISH_LATE);
	return pclk_sim_script_pass(p, (uint64_t)s->value[PUBLISH_LATE]);
}

static int check_page(struct parser *p, const struct statement *s)
{
	static const uint32_t needs[] = {
		[PARACLOCK_SIM_PVCLOCK] = PARACLOCK_SIM_HAS_PVCLOCK,
		[PARACLOCK_SIM_HYPERV] = PARACLOCK_SIM_HAS_HYPERV,
		[PARACLOCK_SIM_VMCLOCK] = PARACLOCK_SIM_HAS_VMCLOCK |
					  PARACLOCK_SIM_HAS_VMCLOCK_MARKERS,
	};
	const struct name *vm = vm_of(p, s);
	int ret;

	blame(p, s, PAGE_AT);
	if (!(vm->parts & needs[page_kind(s->value[PAGE_AT])]))
		return pclk_sim_script_wrong(
			p,
			"%s has no such page; expected one of "
			"those it was made with",
			vm->text);
	ret = check_writer(p, s, false);
	return ret ? ret
		   : check_vcpu(p, s, PAGE_AT, page_vcpu(s->value[PAGE_AT]));
}

static int check_fault(struct parser *p, const struct statement *s)
{
	uint64_t vcpu = 1ULL << (page_vcpu(s->value[PAGE_AT]) & 63);
	uint64_t *torn = &vm_of(p, s)->torn[page_kind(s->value[PAGE_AT])];

	/* A page whose writer dies is torn at its next renewal. */
	if (GIVEN(s, FAULT_TORN) || GIVEN(s, FAULT_DIES))
		*torn |= vcpu;
	else
		*torn &= ~vcpu;
	return check_page(p, s);
}

static int check_paused(struct parser *p, const struct name *vm)
{
	if (!vm->paused)
		return 0;
	return pclk_sim_script_wrong(
		p, "%s is paused; expected 'resume %s' before this", vm->text,
		vm->text);
}

/* A program runs if its VM does, and all VMs below. */
static int check_runs(struct parser *p, const struct statement *s)
{
	const struct name *vm = vm_of(p, s);
	int ret = 0;

	blame(p, s, 0);
	for (; !ret && vm; vm = inside_of(p, host_of(p, vm->on)))
		ret = check_paused(p, vm);
	return ret;
}

/* The clock of a nested host is its own host's. */
static int check_physical(struct parser *p, const struct statement *s)
{
	const struct name *host = host_of(p, s->value[0]);

	blame(p, s, 0);
	if (!host->of)
		return 0;
	return pclk_sim_script_wrong(p,
				     "%s is a VM, and its clock is its host's; "
				     "expected a host that is not a VM",
				     host->text);
}

static int check_open(struct parser *p, const struct statement *s)
{
	const struct name *vm = vm_of(p, s);

	blame(p, s, 0);
	if (vm->open)
		return 0;
	return pclk_sim_script_wrong(
		p,
		"no clock is open in %s; expected 'open %s' "
		"before this",
		vm->text, vm->text);
}

static int check_reader(struct parser *p, const struct statement *s)
{
	int ret = check_open(p, s);

	return ret ? ret : check_runs(p, s);
}

static int check_watch(struct parser *p, const struct statement *s)
{
	int ret = check_open(p, s);

	vm_of(p, s)->every_ns = (uint64_t)s->value[WATCH_EVERY];
	return ret ? ret : check_period(p, s, WATCH_EVERY, EVERY_MIN_NS);
}

static int check_close(struct parser *p, const struct statement *s)
{
	int ret = check_open(p, s);

	vm_of(p, s)->open = 0;
	vm_of(p, s)->every_ns = 0;
	return ret;
}

static int check_at(struct parser *p, const struct statement *s)
{
	char asked[32], passed[32];

	blame(p, s, 0);
	if ((uint64_t)s->value[0] >= p->passed_ns)
		return pclk_sim_script_pass(p, (uint64_t)s->value[0] -
						       p->passed_ns);
	pclk_sim_script_print_time((uint64_t)s->value[0], asked, sizeof(asked));
	pclk_sim_script_print_time(p->passed_ns, passed, sizeof(passed));
	return pclk_sim_script_wrong(
		p,
		"%s after the start is in the past: here %s have passed "
		"already; expected %s or later",
		asked, passed, passed);
}

static int check_migrate(struct parser *p, const struct statement *s)
{
	struct name *vm = vm_of(p, s);
	int ret;

	blame(p, s, 0);
	ret = check_paused(p, vm);
	if (!ret)
		ret = check_landing(p, s, vm, MIGRATE_TO);
	if (ret)
		return ret;
	blame(p, s, MIGRATE_DOWNTIME);
	return pclk_sim_script_pass(p, (uint64_t)s->value[MIGRATE_DOWNTIME]);
}

static int check_restore(struct parser *p, const struct statement *s)
{
	const struct name *state =
		pclk_sim_script_name_of(p->script, KIND_STATE, s->value[1]);
	struct name *vm = vm_of(p, s);

	vm->paused = 0;
	blame(p, s, 1);
	if (state->of != vm->index)
		return pclk_sim_script_wrong(
			p,
			"%s is a state of another VM; expected a state of %s",
			state->text, vm->text);
	return GIVEN(s, COPY_TO) ? check_landing(p, s, vm, COPY_TO) : 0;
}

static int check_tai(struct parser *p, const struct statement *s)
{
	blame(p, s, 1);
	if (s->value[1] > TAI_OFFSET_MAX)
		return pclk_sim_script_wrong(
			p, "the TAI offset is out of range; expected 0 to %d",
			TAI_OFFSET_MAX);
	return check_physical(p, s);
}

static int check_nested_host(struct parser *p, const struct statement *s)
{
	host_of(p, s->value[0])->of = (uint8_t)(s->value[1] + 1);
	return 0;
}

static int check_run(struct parser *p, const struct statement *s)
{
	blame(p, s, 0);
	return pclk_sim_script_pass(p, (uint64_t)s->value[0]);
}

static int check_pause(struct parser *p, const struct statement *s)
{
	vm_of(p, s)->paused = verb_of(s) == VERB_PAUSE;
	return 0;
}

static int check_save(struct parser *p, const struct statement *s)
{
	pclk_sim_script_name_of(p->script, KIND_STATE, s->value[1])->of =
		vm_of(p, s)->index;
	return 0;
}

static int check_vcpu_act(struct parser *p, const struct statement *s)
{
	return check_vcpu(p, s, 1, s->value[1]);
}

static int check_new_clock(struct parser *p, const struct statement *s)
{
	vm_of(p, s)->open = 1;
	return check_runs(p, s);
}

typedef int check_fn(struct parser *p, const struct statement *s);

/* NULL: no earlier statement matters to it. */
static check_fn *const check_of[VERBS] = {
	[VERB_WORLD] = check_world,	[VERB_NESTED_HOST] = check_nested_host,
	[VERB_VM] = check_vm,		[VERB_RUN] = check_run,
	[VERB_AT] = check_at,		[VERB_STEP] = check_physical,
	[VERB_SLEW] = check_physical,	[VERB_STATUS] = check_physical,
	[VERB_LEAP] = check_physical,	[VERB_TAI] = check_tai,
	[VERB_ERRORS] = check_physical, [VERB_TSC] = check_physical,
	[VERB_PAUSE] = check_pause,	[VERB_RESUME] = check_pause,
	[VERB_MIGRATE] = check_migrate, [VERB_SAVE] = check_save,
	[VERB_RESTORE] = check_restore, [VERB_CLONE] = check_clone,
	[VERB_HALT] = check_vcpu_act,	[VERB_ENTER] = check_vcpu_act,
	[VERB_SKEW] = check_vcpu_act,	[VERB_FAULT] = check_fault,
	[VERB_UPDATE] = check_page,	[VERB_PUBLISH] = check_publish,
	[VERB_OPEN] = check_new_clock,	[VERB_CLOSE] = check_close,
	[VERB_READ] = check_reader,	[VERB_EXPECT] = check_reader,
	[VERB_WATCH] = check_watch,
};

int pclk_sim_script_check(struct parser *p, const struct statement *s)
{
	check_fn *check = check_of[verb_of(s)];

	return check ? check(p, s) : 0;
}
