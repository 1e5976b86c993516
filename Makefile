# One door for every task. `make` alone lists them. Needs make, npm and any Node from 20 on; everything else is
# brought into this folder: Node 26 into .node/ when PATH has none, packages into node_modules/ from the lock file.

NODE_MAJOR_MIN := 26
NODE_VERSION := 26.10.0
IMAGE ?= meridian:dev
NODE_IMAGE ?= meridian-node:26
IMAGE_CONTEXT := .cache/image
TEST_COUNTS := .cache/test-counts.json

NODE_MAJOR := $(shell node --version 2>/dev/null | sed -n 's/^v\([0-9][0-9]*\)\..*/\1/p')
ifeq ($(shell [ "$(or $(NODE_MAJOR),0)" -ge $(NODE_MAJOR_MIN) ] && echo yes),yes)
OWN_NODE :=
else
OWN_NODE := .node/installed-$(NODE_VERSION)
export PATH := $(CURDIR)/.node/bin:$(PATH)
endif

BIN := node_modules/.bin
INSTALLED := node_modules/.installed
VITEST := $(BIN)/vitest run --config test/vitest.config.ts

.PHONY: help setup run demo test check unit sim e2e containers bench fuzz torture proto image console clean
.PHONY: check-types check-lint check-format check-dead check-tidy

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1|\2/p' Makefile | grep -v 'make help' | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(INSTALLED) ## bring Node 26 and the packages of the lock file into this folder

run: setup ## run one node on loopback with its data in ./data
	@nodes/cli/meridian serve

demo: setup ## run three regions with wide-area latency and a prompt; DETACH=1 returns when they are ready
	@nodes/cli/meridian lab up $(if $(filter 1,$(DETACH)),--detach)

test: setup ## run every test this machine can run; REQUIRE_DOCKER=1 REQUIRE_ROOT=1 make a skip a failure
	@MERIDIAN_TEST_COUNTS=$(TEST_COUNTS) $(VITEST)

check: setup ## types, lint, format, dead code and the shape of the house
	@$(MAKE) --no-print-directory -k -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		check-types check-lint check-format check-dead check-tidy

unit: setup ## tests that start no process: tidy, unit, property, contract, storage
	@$(VITEST) --project tidy --project unit --project property --project contract --project storage

sim: setup ## run the simulator: SEED=n COUNT=n TICKS=seconds SCENARIO=swarm|…|stories|story-N|lab|membership; JOBS=n TWICE=1 VERBOSE=1 SHRINK=1 SVG=FILE; or REPLAY=FILE; HELP=1
ifeq ($(SCENARIO),lab)
	@LAB_CYCLES=$(or $(COUNT),100) LAB_SEED=$(or $(SEED),1) $(VITEST) --project e2e test/e2e/histories.test.ts
else ifeq ($(SCENARIO),membership)
	@node cluster-sim/membership/main.ts --seed $(or $(SEED),1) --count $(or $(COUNT),100)
else ifeq ($(SCENARIO),spread)
	@node cluster-sim/spread-main.ts
else
	@node cluster-sim/main.ts --seed $(or $(SEED),1) --count $(or $(COUNT),1) --ticks $(or $(TICKS),60) \
		--scenario $(or $(SCENARIO),swarm) $(if $(REPLAY),--replay $(REPLAY)) $(if $(SVG),--svg $(SVG)) \
		$(if $(filter 1,$(TWICE)),--twice) $(if $(filter 1,$(VERBOSE)),--verbose) $(if $(filter 1,$(SHRINK)),--shrink) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(filter 1,$(HELP)),--help)
endif

e2e: setup ## tests over HTTP and with real processes: registry-api, integration, e2e
	@$(VITEST) --project registry-api --project integration --project e2e

containers: setup ## tests with Docker: the image, three containers, docker push and pull
	@$(VITEST) --project containers

bench: setup ## compare with docker-registry and PEERS="name=http://host:port …": CELLS=GET-4K,push ROUNDS=n SECONDS=n
	@command -v docker-registry >/dev/null || { echo "make bench: needs docker-registry; apt-get install docker-registry" >&2; exit 1; }
	@node test/bench/main.ts

fuzz: setup ## fuzz every parser, guided by coverage: SECONDS=n TARGET=name SEED=n KEEP=1 INPUT=file
	@node test/fuzz/main.ts --seconds $(or $(SECONDS),5) --seed $(or $(SEED),1) $(if $(TARGET),--target $(TARGET)) \
		$(if $(filter 1,$(KEEP)),--keep) $(if $(INPUT),--input $(INPUT))

torture: setup ## cut the power of a node, fill, fail and rot its disk for long, as root on Linux: HOURS=n SEED=text
	@node test/torture/main.ts --hours $(or $(HOURS),1) $(if $(SEED),--seed $(SEED))

proto: setup ## generate the types of proto/gen from the .proto files
	@rm -rf proto/gen
	@$(BIN)/proto-loader-gen-types --grpcLib=@grpc/grpc-js --importFileExtension=.ts \
		--longs=String --enums=String --defaults --oneofs --includeDirs=proto --outDir=proto/gen \
		$(patsubst proto/%,%,$(wildcard proto/meridian/v1/*.proto proto/grpc/health/v1/*.proto))

image: setup ## build the container image; IMAGE=NAME names it (meridian:dev)
	@rm -rf $(IMAGE_CONTEXT) && mkdir -p $(IMAGE_CONTEXT)/app $(IMAGE_CONTEXT)/data
	@cp -R nodes shared proto cluster-sim package.json package-lock.json LICENSE node_modules $(IMAGE_CONTEXT)/app
	@cd $(IMAGE_CONTEXT)/app && npm prune --omit=dev --ignore-scripts --offline --no-audit --no-fund --loglevel=error
	@deploy/base-image "$$(command -v node)" $(NODE_IMAGE)
	@docker build --build-arg NODE_IMAGE=$(NODE_IMAGE) --file deploy/Dockerfile --tag $(IMAGE) $(IMAGE_CONTEXT)

console: ## build the web console
	@echo "make console: the web console is not built yet" >&2; exit 1

clean: ## remove what make brought and built; ./data stays
	@rm -rf node_modules .node .cache coverage

check-types: setup
	@$(BIN)/tsc -p .

check-lint: setup
	@$(BIN)/oxlint

check-format: setup
	@$(BIN)/biome check --no-errors-on-unmatched --log-level=warn .

check-dead: setup
	@$(BIN)/knip --no-progress

check-tidy: setup
	@$(VITEST) --project tidy --reporter=dot

# The npm package `node` fetches the binary of this platform in an install script; the allow-list beside it names it alone.
.node/installed-%:
	@echo "bringing Node $* into .node/"
	@rm -rf .node && mkdir -p .node
	@printf '{"private":true,"allowScripts":{"node":true}}\n' > .node/package.json
	@npm install --prefix .node --ignore-scripts=false --no-save --no-package-lock --no-audit --no-fund --loglevel=error node@$* >&2
	@ln -s node_modules/node/bin .node/bin
	@.node/bin/node --version > $@

# npm before 11 knows no allow-list for install scripts. No package here needs its script, so there none may run.
$(INSTALLED): package.json package-lock.json .npmrc | $(OWN_NODE)
	@command -v npm >/dev/null || { echo "make: npm is not on PATH; install npm and any Node from 20 on" >&2; exit 1; }
	@npm ci --loglevel=error $$(npm config ls -l 2>/dev/null | grep -q '^allow-scripts-pending' || echo --ignore-scripts)
	@touch $@
