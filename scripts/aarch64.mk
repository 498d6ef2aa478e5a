# SPDX-License-Identifier: MIT
# Compile every source of the library for arm64; nothing is linked.
# Called by scripts/test with INCLUDE, where libfdt's headers are.
CC = aarch64-linux-gnu-gcc
FLAGS = -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wpedantic -Wshadow \
  -Wconversion -Werror -Iinclude -Ilib -DPARACLOCK_VERSION='"0"'
CORE = $(wildcard lib/*.c) $(wildcard backends/*/*.c)
LINUX = $(wildcard lib/linux/*.c)

all: $(CORE:%=core/%) $(LINUX:%=linux/%)

core/%:
	$(CC) $(FLAGS) -ffreestanding -c $* -o /dev/null

linux/%:
	$(CC) $(FLAGS) -isystem $(INCLUDE) -c $* -o /dev/null

.PHONY: all
