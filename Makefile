# SPDX-License-Identifier: GPL-2.0-or-later
# The front door. `make demo` and `make test` need nothing but a Debian 12 machine: they install what they use.

BUILD  ?= build
PREFIX ?= /usr/local
KERNEL ?=
MESON_OPTIONS ?=

.PHONY: all setup demo deb test test-deb bench corpus soak selftests e2e fuzz install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja: | setup
	@meson setup $(BUILD) --prefix $(PREFIX) $(MESON_OPTIONS) >/dev/null

setup:
	@scripts/setup.sh

# From a diff in examples/ to a patched running kernel, and back.
demo: setup
	@BUILD=$(BUILD) KERNEL=$(KERNEL) scripts/demo.sh

# Everything that must hold, in under 40 minutes on 2 cores. GROUPS="unit vm" runs a part of it.
test: setup
	@KERNEL=$(KERNEL) python3 tests/run.py $(GROUPS)

# What a build costs, and what kmend.ko costs beside the kernel's own live patching.
bench: all
	@python3 tests/bench/bench.py --build-dir $(BUILD) $(if $(KERNEL),--kernel $(KERNEL)) $(BENCH_OPTIONS)
	@python3 tests/bench/core.py --build-dir $(BUILD) $(if $(KERNEL),--kernel $(KERNEL)) $(BENCH_CORE_OPTIONS)
	@python3 tests/bench/fleet.py --build-dir $(BUILD) $(BENCH_FLEET_OPTIONS)

# Real changes between two of Debian's kernel versions, each as a live patch.
corpus: all
	@python3 tests/corpus/corpus.py --build-dir $(BUILD) $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) \
		$(if $(KERNEL),--kernel $(KERNEL)) $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(CORPUS_OPTIONS)

# The core under load: CYCLES of enable, replace and disable in each of MODES, with each number of CPUS, on each of KERNELS (releases, and
# debug:lockdep, debug:kcsan: built once, some minutes). Hours with the defaults.
soak: all
	@python3 tests/soak/soak.py --build-dir $(BUILD) $(if $(CYCLES),--cycles $(CYCLES)) $(if $(MODES),--modes "$(MODES)") \
		$(if $(CPUS),--cpus "$(CPUS)") $(if $(KERNELS),--kernels "$(KERNELS)") $(SOAK_OPTIONS)

# The kernel's own live patching tests: natively, by the command line, and with kmend.ko; docs/selftests.md has the table.
selftests: all
	@python3 tests/selftests/run.py --build-dir $(BUILD) $(addprefix --kernel ,$(or $(KERNELS),$(KERNEL),$(shell scripts/default-kernel.sh \
		$(BUILD)/tools/kmend))) $(SELFTESTS_OPTIONS)

# The whole service: a server here, hosts in virtual machines. E2E_OPTIONS="--only crash_guard --keep DIR" runs a part and keeps what it made.
e2e: all
	@python3 tests/e2e/e2e.py --build-dir $(BUILD) $(if $(KERNEL),--kernel $(KERNEL)) $(E2E_OPTIONS)

# Each fuzzer for SECONDS (600 by default).
fuzz: setup
	@tests/fuzz/run.sh $(or $(SECONDS),600)

# Debian packages, below build-deb/.
deb: setup
	@scripts/deb.sh build-deb

# They and what becomes of them in a clean Debian; `make test` does it without a second kernel and without building a patch there.
test-deb: setup
	@tests/deb/build.sh build-deb
	@tests/deb/root.sh build-deb

install: all
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-*
