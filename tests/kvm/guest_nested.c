// SPDX-License-Identifier: MIT
/*
 * This machine (L1) hands its host's (L0's) kvmclock on to a guest of its own
 * (L2), through a relay and with L2's TSC offset as the coupling.
 */

#include <paraclock/relay.h>

#include "guest_test.h"

#define READS  10000
#define PASSES 10

/* L2's TSC, when it begins: as a new guest's, a second after its start. */
#define FIRST_TICKS 2500000000

static struct paraclock *l1;

struct page {
	const char *name;
	const char *backend;
	paraclock_target_write_fn *write;
	paraclock_target_freeze_fn *freeze;
	uint64_t address;
	size_t mailbox; /* tells the guest's env of it */
	/* What its resolution allows, ns, and its rate, ns in these tests. */
	int64_t within_ns;
	uint8_t frozen; /* reason */
};

static struct page pages[] = {
	{ "L0's kvmclock on L2's pvclock page", "kvmclock",
	  paraclock_pvclock_write, NULL, GUEST_PVCLOCK(0),
	  offsetof(struct guest_mailbox, pvclock), 4, 0 },
	{ "L0's kvmclock on L2's Hyper-V page", "hyperv",
	  paraclock_hyperv_write, paraclock_hyperv_freeze, GUEST_HYPERV,
	  offsetof(struct guest_mailbox, hyperv), 52,
	  PARACLOCK_REASON_SEQUENCE },
	{ "L0's kvmclock on L2's vmclock page", "vmclock",
	  paraclock_vmclock_write, paraclock_vmclock_freeze, GUEST_VMCLOCK,
	  offsetof(struct guest_mailbox, vmclock), 2, PARACLOCK_REASON_STATUS },
};

struct nested {
	const struct page *page;
	struct guest_vm vm;
	struct paraclock_page_writer writer;
	struct paraclock_target target;
	struct paraclock_relay relay;
	int paused;
	uint64_t offset; /* L2's counter less L1's */
};

/* Between two commands none of its CPUs runs. */
static int pause_l2(void *arg, int stop)
{
	struct nested *l2 = arg;

	l2->paused = stop;
	return 0;
}

/* By KVM, if it changes the offset; otherwise by the guest's env. */
static void set_offset(struct nested *l2)
{
	struct guest_mailbox *mailbox = l2->vm.cpu[0].mailbox;

	l2->offset = FIRST_TICKS - guest_host_tsc();
	l2->target.coupling = (struct paraclock_coupling){
		.size = sizeof(l2->target.coupling),
		.mult = 1,
		.offset = l2->offset,
		.device_counter = PARACLOCK_COUNTER_X86_TSC,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags =
			PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE,
	};
	if (guest_set_offset(&l2->vm, 0, l2->offset) == -EOPNOTSUPP) {
		print_message("skipped: L2's own TSC offset, which this KVM "
			      "does not change; the guest's env adds it\n");
		mailbox->mult = 1ULL << 32;
		mailbox->offset = l2->offset;
		return;
	}
	assert_int_equal(paraclock_coupling_kvm(&l2->target.coupling, NULL,
						l2->vm.cpu[0].fd, 0, 0),
			 0);
	assert_int_equal(l2->target.coupling.offset, l2->offset);
}

static void make(struct nested *l2, const struct page *page)
{
	const char *why;
	char *mailbox;

	*l2 = (struct nested){ .page = page };
	why = guest_vm_make(&l2->vm, 1, false);
	if (why)
		fail_msg("%s", why);
	assert_int_equal(paraclock_page_writer_acquire(&l2->writer, NULL), 0);
	l2->target = (struct paraclock_target){
		.size = sizeof(l2->target),
		.page = guest_at(&l2->vm, page->address),
		.writer = &l2->writer,
		.write = page->write,
		.freeze = page->freeze,
		.pause = pause_l2,
		.arg = l2,
		.marker = 1,
	};
	set_offset(l2);
	l2->relay = (struct paraclock_relay){
		.size = sizeof(l2->relay),
		.clk = l1,
		.targets = &l2->target,
		.n_targets = 1,
	};
	assert_int_equal(paraclock_relay_update(&l2->relay), 0);
	assert_int_equal(l2->target.state, PARACLOCK_TARGET_RUNNING);
	mailbox = (char *)l2->vm.cpu[0].mailbox + page->mailbox;
	memcpy(mailbox, &page->address, sizeof(page->address));
	guest_open(&l2->vm, 0, page->backend);
	guest_disrupted(&l2->vm, 0);
}

static void done(struct nested *l2)
{
	assert_int_equal(paraclock_page_writer_release(&l2->writer, NULL), 0);
	guest_vm_free(&l2->vm);
}

/* L2's time less L1's own clock at the same instant. */
static int64_t off_by(const struct nested *l2,
		      const struct paraclock_sample *sample)
{
	struct paraclock_sample own;

	assert_int_equal(sample->valid, 1);
	assert_int_equal(sample->timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(
		paraclock_read_at(l1, sample->host_tsc - l2->offset, &own), 0);
	assert_int_equal(own.valid, 1);
	return sample->host_ns - own.host_ns;
}

static void check_nested(void **state)
{
	const struct page *page = *state;
	struct guest_mailbox *mailbox;
	int64_t low = INT64_MAX, high = INT64_MIN;
	struct nested l2;

	make(&l2, page);
	mailbox = l2.vm.cpu[0].mailbox;
	assert_int_equal(guest_set_ring(&l2.vm, 0, 3), 0);
	for (unsigned int i = 0; i < PASSES; i++) {
		mailbox->count = READS / PASSES;
		guest_do(&l2.vm, 0, GUEST_READ);
		assert_int_equal(mailbox->done, READS / PASSES);
		for (unsigned int n = 0; n < READS / PASSES; n++) {
			int64_t off = off_by(&l2, &l2.vm.cpu[0].ring[n]);

			low = off < low ? off : low;
			high = off > high ? off : high;
		}
		sleep_ms(50);
		assert_int_equal(paraclock_relay_update(&l2.relay), 0);
	}
	print_message("%d reads in L2: %" PRId64 " to %" PRId64
		      " ns from L1's own\n",
		      READS, low, high);
	assert_true(low >= -page->within_ns && high <= page->within_ns);
	assert_int_equal(guest_disrupted(&l2.vm, 0), 0);
	done(&l2);
}

/*
 * A move of L1 is announced, and ends: L2 has no time, and then the right one.
 */
static void check_frozen(const struct page *page)
{
	struct paraclock_sample sample;
	struct nested l2;
	int64_t off;

	make(&l2, page);
	assert_int_equal(paraclock_relay_freeze(&l2.relay), 0);
	assert_int_equal(l2.paused, 1);
	assert_int_equal(l2.target.state, PARACLOCK_TARGET_FROZEN);
	if (page->frozen) {
		/* A running L2 would see this. */
		sample = guest_read(&l2.vm, 0);
		assert_int_equal(sample.valid, 0);
		assert_int_equal(sample.reason, page->frozen);
	}
	assert_int_equal(paraclock_relay_resume(&l2.relay), 0);
	assert_int_equal(l2.paused, 0);
	assert_int_equal(l2.target.marker, 2);
	sample = guest_read(&l2.vm, 0);
	off = off_by(&l2, &sample);
	assert_true(imaxabs(off) <= page->within_ns);
	/* Only a vmclock has a marker that shows it. */
	assert_int_equal(guest_disrupted(&l2.vm, 0),
			 page->write == paraclock_vmclock_write);
	done(&l2);
}

static void a_freeze_of_l1_reaches_l2(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		check_frozen(&pages[i]);
}

/* NULL, or why this machine has no kvmclock to relay. */
static const char *open_l1(void)
{
	static char detail[256];
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvmclock",
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock_sample sample;

	if (paraclock_open(&l1, &opts))
		return detail;
	if (!paraclock_read(l1, &sample) && sample.valid)
		return NULL;
	paraclock_close(l1);
	return "this machine's own kvmclock is not valid";
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_freeze_of_l1_reaches_l2),
	};
	const char *why = guest_why_not();
	int failed;

	if (!why)
		why = open_l1();
	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	ADD_TESTS(others);
	ADD_ROWS(pages, check_nested);
	failed = run_suite(NULL, NULL);
	paraclock_close(l1);
	return failed;
}
