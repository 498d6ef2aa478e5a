// SPDX-License-Identifier: MIT
/* The first program that a user of the library would write. */

#include <stdio.h>
#include <string.h>

#include <paraclock/paraclock.h>

static int use(struct paraclock *clk)
{
	struct paraclock_sample sample;
	char why[256];
	int ret = paraclock_read(clk, &sample);

	if (paraclock_explain(clk, ret, ret ? NULL : &sample, why, sizeof(why)))
		return 1;
	printf("%s: %s\n", paraclock_backend_name(clk), why);
	paraclock_close(clk);
	return ret != 0;
}

int main(int argc, char **argv)
{
	char detail[256] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = NULL;
	int ret;

	if (argc > 1 && strcmp(argv[1], "version") == 0) {
		puts(paraclock_version());
		return 0;
	}
	ret = paraclock_open(&clk, &opts);
	if (ret == 0)
		return use(clk);
	printf("%s: %s\n", paraclock_error_name(ret), detail);
	/* No clock is a good answer, too, if it comes with a reason. */
	return clk || detail[0] == '\0';
}
