# Thin: CMake builds, this remembers the commands. Programs end up in build/bin/.

BUILD   ?= build
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
SOURCES  = $(shell find $(wildcard src include tests bench examples) -name '*.[ch]' -not -path '*/golden/*')

MAKEFLAGS += --no-print-directory

.PHONY: all deps demo test bench accuracy soak asan tsan fuzz format check-format install clean

all:
	@command -v cmake >/dev/null || { echo "cmake is missing: make deps installs what building needs" >&2; exit 1; }
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release
	@cmake --build $(BUILD) --parallel $(JOBS)

# What is needed to build and test, installed when it is missing (Debian and its derivatives).
deps:
	@tools/deps

demo: deps
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release
	@cmake --build $(BUILD) --parallel $(JOBS) --target programs
	$(BUILD)/bin/curve --log-dir $(BUILD)/lightning_logs $(if $(shell command -v gnuplot 2>/dev/null),--plot $(BUILD)/curve.png)
	@command -v gnuplot >/dev/null || echo "note: gnuplot is missing (Debian: gnuplot-nox), so there is no picture"

test: deps
	@$(MAKE) all
	@ctest --test-dir $(BUILD) --parallel $(JOBS) --output-on-failure

# make bench ONLY=step/curve does one.
bench: all
	@ONLY='$(ONLY)' bench/run

# Test accuracy on Fashion-MNIST beside torch's; some minutes.
accuracy: all
	@bench/accuracy

# Large files in little memory: minutes, and 4 GB on the disk (TMPDIR).
soak: all
	@cmake --build $(BUILD) --parallel $(JOBS) --target soak
	@for script in tests/soak/*.sh; do MR_BIN='$(BUILD)/bin' "$$script" || exit 1; done

asan: deps
	@cmake --preset asan
	@cmake --build --preset asan --parallel $(JOBS)
	@ctest --preset asan --parallel $(JOBS)

tsan: deps
	@tools/deps tsan
	@cmake --preset tsan
	@cmake --build --preset tsan --parallel $(JOBS)
	@ctest --preset tsan --parallel $(JOBS)

# Looks for files that break readers, FUZZ_SECONDS for each of them; ONLY=image does one. What is found is kept in build/fuzz/found.
FUZZ_SECONDS ?= 60
fuzz: deps
	@tools/deps tsan
	@cmake --preset fuzz
	@cmake --build --preset fuzz --parallel $(JOBS) --target fuzz
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS) '$(ONLY)'

format:
	@tools/deps format
	@clang-format -i $(SOURCES)

check-format:
	@tools/deps format
	@clang-format --dry-run --Werror $(SOURCES)

# make install PREFIX=/usr DESTDIR=/tmp/package; without PREFIX into /usr/local. Root installs what another has built
# as it is, and leaves no file of its own in that build, which would be in the way of the next.
install:
	@[ -e $(BUILD)/libmillrace.a -a ! -O $(BUILD) ] || $(MAKE) all
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix '$(PREFIX)')
	@[ -O $(BUILD) ] || rm -f $(BUILD)/install_manifest.txt

clean:
	@rm -rf $(BUILD)
