// SPDX-License-Identifier: MIT
/* A program of ring 0 would link these, and bring no libc. */

#include <stdio.h>

#include <paraclock/host.h>
#include <paraclock/paraclock.h>

int main(void)
{
	printf("%s: %s\n", paraclock_version(), paraclock_error_name(-19));
	return 0;
}
