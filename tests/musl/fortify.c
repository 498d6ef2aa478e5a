// SPDX-License-Identifier: MIT
/*
 * Debian's libcpuid.a is compiled for glibc with _FORTIFY_SOURCE. musl keeps
 * glibc's ABI where that archive uses it, but has none of the functions that
 * check a buffer's size as well. These call the plain ones.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int __fprintf_chk(FILE *file, int flag, const char *format, ...);
int __snprintf_chk(char *buf, size_t size, int flag, size_t real,
		   const char *format, ...);
int __vsnprintf_chk(char *buf, size_t size, int flag, size_t real,
		    const char *format, va_list args);
char *__strcpy_chk(char *to, const char *from, size_t real);

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
	va_list args;
	int ret;

	(void)flag;
	va_start(args, format);
	ret = vfprintf(file, format, args);
	va_end(args);
	return ret;
}

int __vsnprintf_chk(char *buf, size_t size, int flag, size_t real,
		    const char *format, va_list args)
{
	(void)flag;
	return vsnprintf(buf, size < real ? size : real, format, args);
}

int __snprintf_chk(char *buf, size_t size, int flag, size_t real,
		   const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = __vsnprintf_chk(buf, size, flag, real, format, args);
	va_end(args);
	return ret;
}

char *__strcpy_chk(char *to, const char *from, size_t real)
{
	(void)real;
	return strcpy(to, from);
}
