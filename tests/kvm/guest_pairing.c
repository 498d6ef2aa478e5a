// SPDX-License-Identifier: MIT
/*
 * The clock pairing hypercall, by our guest in ring 0. A KVM that does not let
 * it through may hang the vCPU; then the test is skipped.
 */

#include <err.h>

#include "guest_test.h"

#define READS 1000

/*
 * A hypercall takes microseconds. Some KVMs hang in it, so the wait is limited;
 * on a busy machine it may take a second.
 */
#define CALL_SEC 20

/*
 * KVM reads both from one copy of the kernel's timekeeper; between two answers
 * of KVM_GET_CLOCK the clock may be slewed a little differently.
 */
#define WITHIN_NS 100

static struct guest_vm vm;

/* CLOCK_REALTIME at a value of this machine's TSC between two answers. */
static int64_t realtime_at(const struct kvm_clock_data *from,
			   const struct kvm_clock_data *to, uint64_t host_tsc)
{
	__extension__ __int128 ns = (int64_t)(to->realtime - from->realtime);

	ns *= (int64_t)(host_tsc - from->host_tsc);
	return (int64_t)from->realtime +
	       (int64_t)(ns / (int64_t)(to->host_tsc - from->host_tsc));
}

static void each_pair_is_kvms_own(void **state)
{
	int64_t worst = 0;

	(void)state;
	for (unsigned int i = 0; i < READS; i++) {
		struct kvm_clock_data from = guest_kvm_clock(&vm);
		struct paraclock_sample sample = guest_read(&vm, 0);
		struct kvm_clock_data to = guest_kvm_clock(&vm);
		int64_t off;

		assert_int_equal(sample.valid, 1);
		assert_int_equal(sample.pair_error_ns, 0);
		assert_int_equal(sample.timescale,
				 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
		off = sample.host_ns -
		      realtime_at(&from, &to,
				  sample.host_tsc - guest_offset(&vm, 0));
		if (imaxabs(off) > imaxabs(worst))
			worst = off;
	}
	print_message("%d hypercalls: at worst %" PRId64
		      " ns from KVM_GET_CLOCK\n",
		      READS, worst);
	assert_true(imaxabs(worst) <= WITHIN_NS);
}

static void ring_3_may_not(void **state)
{
	(void)state;
	assert_int_equal(guest_set_ring(&vm, 0, 3), 0);
	vm.cpu[0].mailbox->count = 1;
	guest_do(&vm, 0, GUEST_READ);
	assert_int_equal(vm.cpu[0].mailbox->ret, -EACCES);
	assert_int_equal(vm.cpu[0].mailbox->done, 0);
	assert_int_equal(guest_set_ring(&vm, 0, 0), 0);
}

/* NULL, or why this KVM lacks the call. */
static const char *why_not(void)
{
	static const char backend[] = "kvm-pairing";
	struct guest_mailbox *mailbox = vm.cpu[0].mailbox;
	int ret;

	memcpy(mailbox->backend, backend, sizeof(backend));
	mailbox->pairing = GUEST_PAIRING;
	mailbox->physical = 1;
	vm.call_sec = CALL_SEC;
	ret = guest_call(&vm, 0, GUEST_OPEN);
	if (ret == -ETIMEDOUT)
		return "this KVM hangs in the clock pairing hypercall";
	if (ret)
		return "the guest died of the clock pairing hypercall";
	if (mailbox->ret && mailbox->ret != -ENODEV &&
	    mailbox->ret != -EOPNOTSUPP)
		errx(1, "%s: %s", strerror(-mailbox->ret), mailbox->detail);
	return mailbox->ret ? mailbox->detail : NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pair_is_kvms_own),
		cmocka_unit_test(ring_3_may_not),
	};
	const char *why = guest_vm_make(&vm, 1, false);
	int failed = SKIP;

	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	why = why_not();
	if (why)
		printf("skipped: %s\n", why);
	else
		failed = cmocka_run_group_tests_name("guest_pairing", tests,
						     NULL, NULL);
	guest_vm_free(&vm);
	return failed;
}
