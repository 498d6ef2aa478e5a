// SPDX-License-Identifier: MIT
/*
 * Which PTP clock is open: its number identifies it, whatever path led there;
 * and the details of failures to open.
 */

#include "fake_ptp.h"

static struct fake_ptp ptp;

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)

#define UNKNOWN PARACLOCK_TIMESCALE_UNKNOWN
#define TAI	PARACLOCK_TIMESCALE_TAI
#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

static struct paraclock_options options(const char *backend, const char *device,
					char detail[256])
{
	detail[0] = '\0';
	return (struct paraclock_options){
		.size = sizeof(struct paraclock_options),
		.backend = backend,
		.device = device,
		.env = &ptp.clocks.world.env,
		.detail = detail,
		.detail_size = 256,
	};
}

static void put_node(unsigned int i, const char *path, unsigned int phc)
{
	ptp.node[i] = (struct fake_node){ path, phc };
}

/* --- worlds --------------------------------------------------------------- */

/* A host with Hyper-V's clock and a network card's. */
static void host(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0);
	fake_ptp_add(&ptp, 1, "Intel I225", 37000000000);
}

/* Its container, with one node; /sys is the host's. */
static void container(void)
{
	host();
	ptp.phc[0].nodeless = true;
	ptp.phc[1].nodeless = true;
}

static void nic_at_ptp0(void)
{
	container();
	put_node(0, "/dev/ptp0", 1);
}

static void clock_at_ptp5(void)
{
	container();
	put_node(0, "/dev/ptp5", 0);
}

static void swapped(void)
{
	container();
	put_node(0, "/dev/ptp0", 1);
	put_node(1, "/dev/ptp1", 0);
}

static void fbclock(void)
{
	container();
	put_node(0, "/dev/fbclock/ptp", 0);
}

static void fbclock_is_a_nic(void)
{
	container();
	put_node(0, "/dev/fbclock/ptp", 1);
}

static void virtio_by_link(void)
{
	fake_ptp_add(&ptp, 7, "Virtio PTP type 1/variant 0", 0);
	put_node(0, "/dev/ptp_link", 7);
}

static void masked(void)
{
	host();
	ptp.no_sysfs = true;
}

static void masked_nic_at_ptp0(void)
{
	nic_at_ptp0();
	ptp.no_sysfs = true;
}

static void no_char_devs(void)
{
	host();
	ptp.no_char_devs = true;
}

static void no_numbers(void)
{
	host();
	ptp.no_numbers = true;
}

static void env_without_numbers(void)
{
	host();
	ptp.clocks.world.env.device_number = NULL;
}

static void env_without_lists(void)
{
	fake_ptp_add(&ptp, 31, "hyperv", 0);
	ptp.clocks.world.env.next_number = NULL;
}

static void env_without_lists_far(void)
{
	fake_ptp_add(&ptp, 32, "hyperv", 0);
	ptp.clocks.world.env.next_number = NULL;
}

static void beyond_31(void)
{
	for (unsigned int i = 0; i < 40; i++)
		fake_ptp_add(&ptp, i, "Intel I225", 0);
	fake_ptp_add(&ptp, 40, "hyperv", 0);
	fake_ptp_add(&ptp, 41, "ptp_vmw", 0);
}

static void the_256th(void)
{
	for (unsigned int i = 0; i < 255; i++)
		fake_ptp_add(&ptp, i, "Intel I225", 0);
	fake_ptp_add(&ptp, 299, "hyperv", 0);
}

static void the_257th(void)
{
	the_256th();
	fake_ptp_add(&ptp, 255, "Intel I225", 0);
}

static void kvm_at_ptp3(void)
{
	fake_ptp_add(&ptp, 0, "KVM virtual PTP", 0)->nodeless = true;
	fake_ptp_add(&ptp, 1, "hyperv", 0)->nodeless = true;
	put_node(0, "/dev/ptp3", 0);
	put_node(1, "/dev/ptp0", 1);
}

static void no_clock(void)
{
	host();
	ptp.phc[0].caps_error = -ENOTTY;
}

static void nothing(void)
{
}

static void all_hidden(void)
{
	ptp.clocks.source_error = -ENODEV;
}

/* --- which one ------------------------------------------------------------ */

struct which_case {
	const char *name;
	void (*world)(void);
	const char *backend;
	const char *device;
	int ret;
	/* 0: the number of the device that is read; otherwise irrelevant. */
	unsigned int phc;
	uint8_t timescale;
	const char *says;
};

static struct which_case whichs[] = {
	/* clang-format off */
	{ "a NIC at /dev/ptp0 is not the hyperv that sysfs has as ptp0",
	  nic_at_ptp0, "phc", NULL, -ENODEV, 0, 0,
	  "/dev/ptp0: this is another PTP clock (Intel I225)" },
	{ "a named NIC is read, and its timescale is not known",
	  nic_at_ptp0, "phc", "/dev/ptp0", 0, 1, UNKNOWN, NULL },
	{ "hyperv at /dev/ptp5 is found", clock_at_ptp5, "phc", NULL,
	  0, 0, SMEARED, NULL },
	{ "two swapped nodes are told apart", swapped, "phc", NULL,
	  0, 0, SMEARED, NULL },
	{ "one swapped node is the NIC",
	  swapped, "phc", "/dev/ptp0", 0, 1, UNKNOWN, NULL },
	{ "the other swapped node is hyperv",
	  swapped, "phc", "/dev/ptp1", 0, 0, SMEARED, NULL },
	{ "hyperv under any path is hyperv", fbclock,
	  "phc", "/dev/fbclock/ptp", 0, 0, SMEARED, NULL },
	{ "a NIC is found under any path", fbclock_is_a_nic,
	  "phc", "/dev/fbclock/ptp", 0, 1, UNKNOWN, NULL },
	{ "a link has the name of its target", virtio_by_link,
	  "phc", "/dev/ptp_link", 0, 7, TAI, NULL },
	{ "a number names a device",
	  host, "phc", "248:0", 0, 0, SMEARED, NULL },
	{ "another number names another device",
	  host, "phc", "248:1", 0, 1, UNKNOWN, NULL },
	{ "a number names a device whatever its node is called",
	  swapped, "phc", "248:1",
	  0, 1, UNKNOWN, NULL },
	{ "a number names a device also where its node has another one's name",
	  clock_at_ptp5, "phc", "248:0",
	  0, 0, SMEARED, NULL },
	{ "a number without a node is refused", nic_at_ptp0, "phc", "248:0",
	  -ENODEV, 0, 0, "248:0: no node in /dev is this device" },
	{ "a second number without a node is refused", host, "phc", "248:9",
	  -ENODEV, 0, 0, "248:9: no node in /dev is this device" },
	{ "a number of another kind of device is refused",
	  no_clock, "phc", "248:0",
	  -ENODEV, 0, 0, "248:0: /dev/ptp0: this is no PTP clock" },
	{ "another major", host, "phc", "249:0",
	  -ENODEV, 0, 0, "249:0: no node in /dev is this device" },
	{ "a number that does not fit is a path", host, "phc",
	  "248:4294967296", -ENODEV, 0, 0, "no such device" },
	{ "half a number is a path", host, "phc", "248:", -ENODEV, 0, 0,
	  "248:: no such device" },
	{ "an env without numbers finds no number", no_numbers,
	  "phc", "248:0", -ENODEV, 0, 0, "no node in /dev is this device" },
	{ "where sysfs is masked nothing is guessed", masked, "phc", NULL,
	  -ENODEV, 0, 0, "sysfs shows no PTP clock (is /sys mounted" },
	{ "where sysfs is masked nothing is guessed by the path",
	  masked, "phc", "/dev/ptp0",
	  0, 0, UNKNOWN, NULL },
	{ "where sysfs is masked a wrong path does not count",
	  masked_nic_at_ptp0,
	  "phc", "/dev/ptp0", 0, 1, UNKNOWN, NULL },
	{ "where only the numbers are masked nothing is guessed",
	  no_char_devs, "phc", NULL,
	  -ENODEV, 0, 0, "sysfs does not show its number" },
	{ "where only the numbers are masked a path does not count",
	  no_char_devs, "phc", "/dev/ptp0",
	  0, 0, UNKNOWN, NULL },
	{ "a node without a number is not guessed", no_numbers, "phc", NULL,
	  -ENODEV, 0, 0, "it is not known which PTP clock this is" },
	{ "a node without a number is not guessed by the path",
	  no_numbers, "phc", "/dev/ptp0",
	  0, 0, UNKNOWN, NULL },
	{ "in an env without numbers the device is uncertain",
	  env_without_numbers,
	  "phc", NULL, -ENODEV, 0, 0, "not known which PTP clock this is" },
	{ "in an env without numbers a named device is read",
	  env_without_numbers,
	  "phc", "/dev/ptp0", 0, 0, UNKNOWN, NULL },
	{ "an env without a list has 32 devices",
	  env_without_lists, "phc", NULL,
	  0, 31, SMEARED, NULL },
	{ "an env without a list has no more than 32",
	  env_without_lists_far, "phc", NULL,
	  -ENODEV, 0, 0, "no PTP clock of a paravirtual driver" },
	{ "the lowest suitable number is chosen", beyond_31,
	  "phc", NULL, 0, 40, SMEARED, NULL },
	{ "256 are looked at", the_256th, "phc", NULL, 0, 299, SMEARED, NULL },
	{ "no more than 256 are looked at",
	  the_257th, "phc", NULL, -ENODEV, 0, 0,
	  "no PTP clock of a paravirtual driver" },
	{ "without any PTP clock the detail does not call it unknown", nothing,
	  "phc", NULL, -ENODEV, 0, 0, "no PTP clock of a paravirtual driver" },
	{ "where all of /sys is hidden the detail says so",
	  all_hidden, "phc", NULL,
	  -ENODEV, 0, 0, "it is not known whether such a PTP clock exists" },
	{ "for kvm-pairing the detail says so, too",
	  all_hidden, "kvm-pairing", NULL,
	  -ENODEV, 0, 0, "it is not known whether such a PTP clock exists" },
	{ "kvm-pairing finds its own at another one's place", kvm_at_ptp3,
	  "kvm-pairing", NULL, 0, 0, SMEARED, NULL },
	{ "kvm-pairing finds its own by its number",
	  kvm_at_ptp3, "kvm-pairing", "248:0",
	  0, 0, SMEARED, NULL },
	{ "kvm-pairing refuses another's place",
	  kvm_at_ptp3, "kvm-pairing", "/dev/ptp0",
	  -ENODEV, 0, 0, "/dev/ptp0 is another PTP clock (hyperv)" },
	/* clang-format on */
};

/* Only that device can be read. */
static void make_readable_only(unsigned int number)
{
	for (unsigned int i = 0; i < FAKE_PHCS; i++)
		ptp.phc[i].read = i == number ? 0 : -EOPNOTSUPP;
}

static void check_which(void **state)
{
	const struct which_case *c = *state;
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_sample sample;
	struct paraclock_options opts;
	char detail[256];

	fake_ptp_init(&ptp);
	opts = options(c->backend, c->device, detail);
	c->world();
	assert_int_equal(paraclock_open(&clk, &opts), c->ret);
	if (c->ret) {
		assert_ptr_equal(clk, UNTOUCHED);
		if (!strstr(detail, c->says))
			fail_msg("'%s' is not in '%s'", c->says, detail);
	} else {
		assert_int_equal(ptp.opens - ptp.shuts, 1);
		make_readable_only(c->phc);
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.valid, 1);
		assert_int_equal(sample.timescale, c->timescale);
		fake_ptp_check_pair(&ptp, &ptp.phc[c->phc], &sample);
		paraclock_close(clk);
	}
	assert_int_equal(ptp.opens, ptp.shuts);
	assert_int_equal(ptp.clocks.world.allocs, ptp.clocks.world.frees);
}

/* --- in words ------------------------------------------------------------- */

struct error_case {
	int error;
	bool of_caps;
	int ret;
	const char *says;
	const char * not ;
};

static struct error_case errors[] = {
	/* clang-format off */
	{ -EACCES, false, -EACCES, "ask for read access to it", "sandbox" },
	{ -EPERM, false, -EACCES, "device policy of a sandbox", "run as root" },
	{ -ENOENT, false, -ENODEV, "no such device", "driver" },
	{ -ENOTDIR, false, -ENODEV, "no such device", "driver" },
	{ -ENODEV, false, -ENODEV, "no such device", NULL },
	{ -ENXIO, false, -ENODEV, "no driver is behind this node", NULL },
	{ -EBUSY, false, -ENODEV, "another has it", "driver" },
	{ -ELOOP, false, -ENODEV, "form a loop", "driver" },
	{ -EMFILE, false, -ENOMEM, "no file descriptor left", "memory" },
	{ -ENFILE, false, -ENOMEM, "fs.file-max", "memory" },
	{ -ENOMEM, false, -ENOMEM, "no memory is left", "descriptor" },
	{ -EISDIR, false, -ENODEV, "this is a directory", NULL },
	{ -EIO, false, -ENODEV, "the device fails", NULL },
	{ -EINVAL, false, -ENODEV, "kernel's log", NULL },
	{ -EACCES, true, -EACCES, "device policy of a sandbox", "run as root" },
	{ -EPERM, true, -EACCES, "device policy of a sandbox", "run as root" },
	{ -ENOTTY, true, -ENODEV, "this is no PTP clock", NULL },
	{ -EINVAL, true, -ENODEV, "this is no PTP clock", NULL },
	{ -ENODEV, true, -ENODEV, "the device has gone", NULL },
	{ -EIO, true, -ENODEV, "the device fails", NULL },
	/* clang-format on */
};

static void each_error_has_its_remedy(void **state)
{
	static const char *const devices[] = { NULL, "/dev/ptp0" };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(errors); i++) {
		const struct error_case *c = &errors[i / 2];
		struct paraclock *clk = UNTOUCHED;
		struct paraclock_options opts;
		char detail[256];

		fake_ptp_init(&ptp);
		opts = options("phc", devices[i % 2], detail);
		fake_ptp_add(&ptp, 0, "hyperv", 0);
		if (c->of_caps)
			ptp.phc[0].caps_error = c->error;
		else
			ptp.phc[0].open_error = c->error;
		assert_int_equal(paraclock_open(&clk, &opts), c->ret);
		if (strncmp(detail, "/dev/ptp0: ", 11) != 0 ||
		    !strstr(detail, c->says) ||
		    (c->not &&strstr(detail, c->not )))
			fail_msg("%d: %s", c->error, detail);
		assert_int_equal(ptp.opens, ptp.shuts);
	}
}

/* ENA answers 125 times a second, and is busy in between. */
static void a_busy_driver_is_reported(void **state)
{
	struct paraclock_options opts;
	struct paraclock_sample sample;
	struct paraclock *clk;
	unsigned int asked;
	char detail[256];

	(void)state;
	fake_ptp_init(&ptp);
	opts = options("phc", "/dev/ptp0", detail);
	fake_ptp_add(&ptp, 0, "ena-ptp-00-05-0", 0)->extended = 0;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.timescale, UNKNOWN);
	ptp.phc[0].busy = 1000000;
	ptp.phc[0].read = -EBUSY;
	memset(&ptp.calls, 0, sizeof(ptp.calls));
	assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
	/* Three tries each way, and no more. */
	asked = ptp.calls.caps + ptp.calls.precise + ptp.calls.raw +
		ptp.calls.realtime + ptp.calls.read;
	assert_in_range(asked, 1, 12);
	assert_int_equal(paraclock_explain(clk, -EAGAIN, NULL, detail,
					   sizeof(detail)),
			 0);
	assert_non_null(strstr(detail, "read less often"));
	ptp.phc[0].busy = 0;
	ptp.phc[0].read = 0;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	paraclock_close(clk);
}

static void a_clock_without_a_name_says_why(void **state)
{
	struct paraclock_options opts;
	struct paraclock_sample sample;
	struct paraclock *clk;
	char detail[256];

	(void)state;
	fake_ptp_init(&ptp);
	masked();
	opts = options("phc", "/dev/ptp0", detail);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(
		paraclock_explain(clk, 0, &sample, detail, sizeof(detail)), 0);
	assert_non_null(strstr(detail, "mount or unmask /sys"));
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(each_error_has_its_remedy),
		cmocka_unit_test(a_busy_driver_is_reported),
		cmocka_unit_test(a_clock_without_a_name_says_why),
	};

	ADD_TESTS(others);
	ADD_ROWS(whichs, check_which);
	return run_suite(NULL, NULL);
}
