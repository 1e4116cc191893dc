# `make help` lists what can be made.

.DEFAULT_GOAL := help
.PHONY: help demo demo-node test build release release-ipam lint bench bench-flame bench-ipam bench-model bench-netpol \
	bench-pure \
	fuzz image install soak uninstall clean tools kubernetes-validate

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The platform that is built for. A target that is named keeps the flags of a static binary from build scripts.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# What is called besides cargo, as command=Debian package or file=Debian package. What is missing gets installed.
TOOLS := cc=build-essential
# The folder without which python3 makes no environments is named after its version.
test soak: TOOLS += /usr/bin/containerd=containerd promtool=prometheus setpriv=util-linux skopeo=skopeo \
	systemd-analyze=systemd
test soak: TOOLS += python3=python3 /usr/share/doc/python3-venv/copyright=python3-venv
test soak: TOOLS += chromium=chromium dnsperf=dnsperf gtlsclient=ngtcp2-client kdig=knot-dnsutils \
	/bin/kill=procps kubectl=kubernetes-client /usr/sbin/knotd=knot ping=iputils-ping strace=strace \
	/etc/ssl/certs/ca-certificates.crt=ca-certificates
# Of the node that is shown and tested.
test soak demo-node: TOOLS += busybox=busybox curl=curl dig=bind9-dnsutils ip=iproute2 /usr/sbin/nft=nftables \
	unshare=util-linux /usr/lib/cni/bridge=containernetworking-plugins
test soak: TOOLS += script=bsdutils
image: TOOLS += git=git /etc/ssl/certs/ca-certificates.crt=ca-certificates
bench-ipam: TOOLS += /usr/lib/cni/host-local=containernetworking-plugins
bench bench-flame: TOOLS += dnsperf=dnsperf /usr/sbin/knotd=knot taskset=util-linux
bench: TOOLS += /usr/bin/dnsdist=dnsdist /usr/sbin/unbound=unbound
bench-flame: TOOLS += perf=linux-perf

# Of `make bench`: seconds of each measurement, rounds, Services of the cluster, and other options of portolan-bench, such as
# BENCH_ARGS='--server portolan --server reflector --part table --workload A'.
BENCH_SECONDS ?= 3
BENCH_ROUNDS ?= 3
BENCH_SERVICES ?= 10000
BENCH_ARGS ?=
# Of `make bench-flame`: the workload, by its name in the table, and the file.
FLAME_WORKLOAD ?= A
FLAME_OUT ?= bench/results/flame.svg

# Seconds for each target of `make fuzz`.
FUZZ_SECONDS ?= 60
# Of `make soak`: cases for each property, seconds for all fuzzing, and how it is built. Faults last as long as they have
# to, ten minutes at most, but not longer than SOAK_SECONDS: small numbers make a trial run. The outages of upstreams take
# three minutes in any case.
SOAK_CASES ?= 5000
SOAK_SECONDS ?= 3600
SOAK_PROFILE ?= release

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Build in release mode and serve deploy/demo/ on 127.0.0.1:5300 until Ctrl-C
	$(CARGO) build --release -p portolan --locked
	@PORTOLAN_BIN="$(TARGET_DIR)/release/portolan" exec deploy/demo/run

demo-node: tools ## Build in release mode and show pods, names and policies on a node of namespaces, in under a minute
	$(CARGO) build --release -p portolan --locked
	@PORTOLAN_BIN="$(TARGET_DIR)/release/portolan" exec deploy/demo-node/run

# All that tests need, the programs that they start among it. What is built without the tests has other features of tokio,
# and all that stands on it would be built twice.
BUILD = build --workspace --lib --bins --tests --locked

# Crates of other platforms are fetched, too: what tests say of all dependencies is said without the network.
test: tools kubernetes-validate release-ipam ## Install missing Debian packages, build everything and run every test
	$(CARGO) fetch --locked
	$(CARGO) $(BUILD)
	$(CARGO) test --workspace --locked --quiet

# Of `make install`: where, in whose root when a package is made, and the folder of the binaries.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
INSTALL_FROM ?= $(TARGET_DIR)/release
# Found without rustc, which is not on the PATH that sudo gives.
INSTALL_PLUGIN ?= $(firstword $(wildcard $(TARGET_DIR)/*/ipam/portolan-ipam))
AT = $(DESTDIR)$(PREFIX)
UNITS = $(notdir $(wildcard deploy/systemd/*.service))

install: ## Install what `make release` built to PREFIX: programs, units, completions, manual pages
	@test -x "$(INSTALL_FROM)/portolan" -a -x "$(INSTALL_PLUGIN)" || \
		{ echo "run \`make release\` first: install builds nothing" >&2; exit 1; }
	install -D -m 755 "$(INSTALL_FROM)/portolan" "$(AT)/bin/portolan"
	install -D -m 755 "$(INSTALL_PLUGIN)" "$(AT)/lib/cni/portolan-ipam"
	install -d "$(AT)/lib/systemd/system" "$(AT)/share/bash-completion/completions" \
		"$(AT)/share/zsh/site-functions" "$(AT)/share/fish/vendor_completions.d"
	set -e; for unit in $(UNITS); do \
		sed 's,/usr/local/,$(PREFIX)/,; s,/etc/portolan,$(SYSCONFDIR)/portolan,g' "deploy/systemd/$$unit" \
			>"$(AT)/lib/systemd/system/$$unit"; \
		chmod 644 "$(AT)/lib/systemd/system/$$unit"; \
	done
	install -D -m 644 deploy/systemd/portolan.conf "$(AT)/lib/sysusers.d/portolan.conf"
	"$(AT)/bin/portolan" completions bash >"$(AT)/share/bash-completion/completions/portolan"
	"$(AT)/bin/portolan" completions zsh >"$(AT)/share/zsh/site-functions/_portolan"
	"$(AT)/bin/portolan" completions fish >"$(AT)/share/fish/vendor_completions.d/portolan.fish"
	"$(AT)/bin/portolan" man-pages "$(AT)/share/man/man1"
	install -d "$(DESTDIR)$(SYSCONFDIR)/portolan/manifests"
	test -e "$(DESTDIR)$(SYSCONFDIR)/portolan/Corefile" || \
		sed 's,/etc/portolan,$(SYSCONFDIR)/portolan,g' deploy/standalone/Corefile \
			>"$(DESTDIR)$(SYSCONFDIR)/portolan/Corefile"

uninstall: ## Remove what `make install` put to PREFIX; SYSCONFDIR/portolan stays
	rm -f "$(AT)/bin/portolan" "$(AT)/lib/cni/portolan-ipam" "$(AT)/lib/sysusers.d/portolan.conf" \
		$(UNITS:%="$(AT)/lib/systemd/system/%") "$(AT)/share/bash-completion/completions/portolan" \
		"$(AT)/share/zsh/site-functions/_portolan" "$(AT)/share/fish/vendor_completions.d/portolan.fish" \
		"$(AT)"/share/man/man1/portolan.1 "$(AT)"/share/man/man1/portolan-*.1

build: ## Build everything in debug mode, tests included
	$(CARGO) $(BUILD)

release: release-ipam ## Build the binaries in release mode
	$(CARGO) build --release -p portolan --locked

# Of static binaries whose octets do not depend on where they are built. Of two prefixes the last counts.
STATIC_FLAGS = -C target-feature=+crt-static --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo \
	--remap-path-prefix=$(CURDIR)=/portolan --remap-path-prefix=$(abspath $(TARGET_DIR))=/portolan/target

release-ipam: ## Build the static portolan-ipam, as HOST/ipam/portolan-ipam in the target directory
	RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --profile ipam --target $(HOST) \
		-p portolan-cni-ipam --bin portolan-ipam --locked

# The binary by itself, too: beside the tests it has features of tokio that a release lacks.
lint: ## Check the format, and run clippy with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p portolan --locked -- -D warnings

# Of `make image`: its name, and the file.
IMAGE ?= portolan:$(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
IMAGE_OUT ?= $(TARGET_DIR)/portolan-image.tar
REVISION = $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
# Stripped by a flag: cargo strips packages whose optimisation is set apart, as portolan's is, as [profile.release] says.
IMAGE_FLAGS = $(STATIC_FLAGS) -C strip=symbols

image: tools release-ipam ## Make the container image, as the file IMAGE_OUT for containerd, podman and docker
	PORTOLAN_REVISION='$(REVISION)' RUSTFLAGS='$(IMAGE_FLAGS)' \
		$(CARGO) build --release --target $(HOST) -p portolan --locked
	$(CARGO) build -p portolan-image --locked
	$(CARGO) metadata --format-version 1 --locked --filter-platform $(HOST) >"$(TARGET_DIR)/packages.json"
	$(TARGET_DIR)/debug/portolan-image --name '$(IMAGE)' --revision '$(REVISION)' \
		--time "$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
		--binary "$(TARGET_DIR)/$(HOST)/release/portolan" --plugin "$(TARGET_DIR)/$(HOST)/ipam/portolan-ipam" \
		--certificates /etc/ssl/certs/ca-certificates.crt --licence LICENSE \
		--metadata "$(TARGET_DIR)/packages.json" --output "$(IMAGE_OUT)"

bench: tools ## Compare with a bare reflector, Knot DNS, unbound and dnsdist (docs/performance.md)
	$(CARGO) build --release -p portolan -p portolan-bench --locked
	$(TARGET_DIR)/release/portolan-bench --services $(BENCH_SERVICES) --rounds $(BENCH_ROUNDS) \
		--seconds $(BENCH_SECONDS) --out bench/results $(BENCH_ARGS)

bench-flame: tools ## Record a flame graph of FLAME_WORKLOAD to FLAME_OUT
	$(CARGO) build --release -p portolan -p portolan-bench --locked
	@mkdir -p "$(dir $(FLAME_OUT))"
	$(TARGET_DIR)/release/portolan-bench flame --services $(BENCH_SERVICES) --seconds $(BENCH_SECONDS) \
		--workload '$(FLAME_WORKLOAD)' --out '$(FLAME_OUT)'

bench-pure: ## Time the pure parts: reading and writing messages, answers of the cluster
	$(CARGO) bench --locked -p portolan-dns --bench messages --bench answers

bench-model: ## Measure what a change, a lookup and an allocation cost at 1,000, 10,000 and 100,000 Services
	$(CARGO) bench --locked -p portolan-cluster --bench update --bench lookups
	$(CARGO) bench --locked -p portolan-ipam-controller --bench allocate

bench-ipam: tools release-ipam ## Measure portolan-ipam against Debian's host-local at up to 65,000 leases
	$(CARGO) bench --locked -p portolan-cni-ipam --bench ipam

bench-netpol: tools ## Measure NetworkPolicies: from an event to the kernel, and what they cost packets (docs/netpol.md)
	PORTOLAN_BENCH_OUT="$(CURDIR)/bench/results" $(CARGO) bench --locked -p portolan-netfilter \
		--bench scale --bench throughput
	$(CARGO) build --release -p portolan --locked
	PORTOLAN_BENCH_OUT="$(CURDIR)/bench/results" PORTOLAN_BIN="$(abspath $(TARGET_DIR))/release/portolan" \
		$(CARGO) test --locked -p portolan-tests --test netpol_memory -- --nocapture

fuzz: ## Run every fuzz target for FUZZ_SECONDS (needs cargo-fuzz and a nightly toolchain)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || \
		{ echo "cargo-fuzz is missing; install it with: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@set -e; for target in $$($(CARGO) +nightly fuzz list); do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		$(CARGO) +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	done

soak: tools kubernetes-validate release-ipam ## Run every test in its long form, with an hour of fuzzing (SOAK_SECONDS)
	$(CARGO) $(BUILD) --profile $(SOAK_PROFILE)
	PORTOLAN_SOAK=$(SOAK_SECONDS) PROPTEST_CASES=$(SOAK_CASES) \
		$(CARGO) test --profile $(SOAK_PROFILE) --workspace --locked --no-fail-fast

clean: ## Remove everything that was built
	$(CARGO) clean

# Installs the program that has Kubernetes' own schemas, in a Python environment of its own.
kubernetes-validate: $(TARGET_DIR)/kubernetes-validate/installed
$(TARGET_DIR)/kubernetes-validate/installed: tests/kubernetes-validate.txt | tools
	python3 -m venv --clear "$(@D)"
	"$(@D)/bin/pip" install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Installs the packages of missing TOOLS, with sudo unless root.
tools:
	@set -e; missing=; \
	for pair in $(TOOLS); do \
		command -v "$${pair%%=*}" >/dev/null || [ -e "/$${pair%%=*}" ] || missing="$$missing $${pair#*=}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi; \
	echo "installing$$missing"; \
	$$as_root apt-get update -qq </dev/null; \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing </dev/null
