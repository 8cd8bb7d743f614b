# Registrail: one command per verb, the same on a desk and in CI. On a machine that has git, Python 3.11–3.13 and make
# (GNU make 3.81 will do), each verb installs what it needs, once: a stamp notes it, and newer inputs undo the stamp.

PORT  ?= 7071
STORE ?= sqlite

# The interpreters to try, in this order.
PYTHONS        = $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
PYTHONS_NEWEST = $(or $(PYTHON_NEWEST),python3.13 python3 $$HOME/.pyenv/versions/3.13*/bin/python3.13)

# What `make test` holds to 95 % branch coverage.
CORE := registrail/events.py,registrail/instants.py,registrail/senders/*,registrail/activity.py
CORE := $(CORE),registrail/storage/keys.py,registrail/storage/entities.py

# The base image: pinned by digest in the Dockerfile; the tag that a task watches.
PINNED_BASE := $(shell sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)
BASE_DIGEST := $(shell sed -n 's/^ARG BASE_IMAGE=\([^:]*\):[^@]*@/\1@/p' Dockerfile)
BASE_NAME   := base/azure-functions-python:4-python3.13
BASE        ?= $(PINNED_BASE)
POOL_OPTION  = $(if $(POOL),--agent-pool $(POOL))

# $(call need,NAME,EXAMPLE): ends the verb if NAME= was not given.
need = @$(if $($(1)),:,echo "Registrail: say which: make $@ $(1)=$(2)" >&2; exit 1)

SHELL := /bin/sh
comma := ,

# The stamps. `make run` waits for LOCAL only.
VENV    := .venv/.stamps/venv
LOCAL   := .venv/.stamps/local
NPM     := .venv/.stamps/npm
UV      := .venv/.stamps/uv
DEV     := .venv/.stamps/dev
SUPPLY  := .venv/.stamps/supply
AZURITE := tools/azurite/node_modules/.installed
VENDOR  := tools/vendor/node_modules/.installed
RUNTIME := .venv-runtime/.stamps/requirements
NEWEST  := .venv-3.13/.stamps/platform

# $(call npm_ci,WHAT,OPTIONS): the locked packages, into the target's folder, with a Node of our own.
define npm_ci
@echo "Installing $(1) into $(@D) …"
@PATH="$$(pwd)/.venv/bin:$$PATH" && cd $(@D:/node_modules=) && \
  npm ci $(2) --no-audit --no-fund --ignore-scripts --loglevel=error --no-progress >/dev/null || { \
  echo "Registrail: npm could not install $(1); is there a network?" >&2; exit 1; }
@touch $@
endef

# $(call moved,FOLDER): FORCE when the virtual environment was moved or its Python has gone.
moved = $(shell [ "$$(cat $(1)/.stamps/venv 2>/dev/null)" = "$$(pwd -P)" ] && [ -x $(1)/bin/python ] || echo FORCE)

# $(call venv,FOLDER,INTERPRETERS,OLDEST,VERSIONS IN WORDS): a new virtual environment of the first interpreter that will
# do. Each is run to find out: a version manager puts names on the path that then refuse to start.
define venv
@for python in $(2); do \
  "$$python" -c 'import sys; v = sys.version_info; sys.exit(not $(3) <= 100 * v[0] + v[1] <= 313)' 2>/dev/null || continue; \
  found=$$python; \
  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
  rm -rf $(1) && "$$python" -m venv $(1) && mkdir $(1)/.stamps && pwd -P >$(1)/.stamps/venv && exit 0; \
done; \
if [ -n "$$found" ]; then \
  echo "Registrail: $$found has no venv module; install it (Debian: apt-get install python3-venv)." >&2; \
else \
  echo "Registrail needs Python $(4); install it, or name one that you have: make PYTHON=/path/to/python3 …" >&2; \
fi; \
exit 1
endef

# $(call install,FOLDER,REQUIREMENTS): at the pinned versions.
define install
@echo "Installing $(2) into $(1) …"
@$(1)/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt $(2) || { \
  echo "Registrail: pip could not install $(2); is there a network?" >&2; exit 1; }
endef

# The two lock files as pyproject.toml wants them, in .venv/lock: starts from today's pins, so that newer releases change
# nothing by themselves.
define compile_lock
@mkdir -p .venv/lock && cp constraints.txt requirements.txt .venv/lock
@cd .venv/lock && compile() { \
  ../bin/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate "$$@" ../../pyproject.toml; } && \
  compile --all-extras $(if $(UPGRADE),--upgrade) -o constraints.txt && \
  compile -c constraints.txt -o requirements.txt && \
  for file in constraints.txt requirements.txt; do \
    { echo '# Generated from pyproject.toml by `make lock`; not edited by hand.'; cat $$file; } >$$file.new && \
    mv $$file.new $$file; done
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: FORCE help run demo azurite vendor torture fuzz bench-ingest bench-fold bench-query bench-web bench-wire \
  screenshots acr-import-base acr-build acr-run acr-task base-digest bicep image test-image audit sbom package release-notes \
  test test-browser test-infra test-registry test-runtime test-newest test-platform lint types lock lock-check clean

help: ## Lists the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' Makefile

run: $(LOCAL) $(if $(filter azurite,$(STORE)),$(AZURITE)) ## Serves http://localhost:7071; PORT=7071 STORE=sqlite|azurite
	@exec .venv/bin/python -m registrail.local serve --port $(PORT) --store $(STORE)

demo: $(LOCAL) ## A real registry pushes and deletes against Registrail; needs docker-registry and skopeo
	@exec .venv/bin/python -m registrail.local demo

azurite: $(AZURITE) ## Installs the storage emulator, with a Node of its own

vendor: $(VENDOR) ## Copies what pages load from its pinned packages
	@.venv/bin/python tools/vendor/vendor.py

screenshots: $(DEV) ## The pictures in docs/images, from made-up data; needs Chromium
	.venv/bin/python -m tools.screenshots

test: $(DEV) $(AZURITE) ## Every test that needs nothing but Python: units, both stores, the local host
	@rm -f .coverage .coverage.*
	.venv/bin/pytest -n auto --maxprocesses 4 --dist loadgroup -m 'not browser and not registry and not platform' --cov --cov-report=
	@.venv/bin/coverage report --include='$(CORE)' --fail-under=95

test-browser: $(DEV) $(AZURITE) $(VENDOR) ## The pages in a real browser; needs Chromium
	@command -v chromium >/dev/null || { \
	  echo "Registrail: chromium is missing (Debian: apt-get install chromium)." >&2; exit 1; }
	.venv/bin/pytest -n 2 --dist loadgroup -m browser tests/browser

test-registry: $(DEV) ## Images through a real registry; needs docker-registry and skopeo
	@for tool in docker-registry skopeo; do command -v $$tool >/dev/null || { \
	  echo "Registrail: $$tool is missing (Debian: apt-get install docker-registry skopeo)." >&2; exit 1; }; done
	.venv/bin/pytest -m registry

test-infra: $(DEV) ## infra/, the task, the Dockerfile and the workflow: checks that need no Azure
	.venv/bin/pytest -n auto --maxprocesses 2 tests/infra

test-runtime: $(RUNTIME) ## The app imports with nothing but requirements.txt, without a warning
	@.venv-runtime/bin/python -m pip check
	REGISTRAIL_STORAGE=sqlite:///:memory: SUMMARIZE_SCHEDULE='0 * * * * *' .venv-runtime/bin/python -W error -c \
	  'import function_app; print(*sorted(f.get_function_name() for f in function_app.app.get_functions()))'

test-newest: $(NEWEST) ## The units on Python 3.13
	.venv-3.13/bin/pytest -n auto --maxprocesses 4 -m 'not azurite and not browser and not registry and not platform'

test-platform: $(NEWEST) ## The app in Microsoft's own worker library, on Python 3.13
	.venv-3.13/bin/pytest -m platform tests/platform

torture: $(DEV) $(AZURITE) ## Crashes and faults: RUNS=50 EVENTS=420 SEED=1, on both stores
	.venv/bin/python -m torture --seed $(or $(SEED),1) --runs $(or $(RUNS),50) --events $(or $(EVENTS),420)

fuzz: $(DEV) ## Mutated payloads through the hook: COUNT=200000 SEED=1
	.venv/bin/python -m torture.fuzz --seed $(or $(SEED),1) --count $(or $(COUNT),200000)

bench-ingest: $(DEV) $(AZURITE) ## How fast events become durable, beside the plain way
	.venv/bin/python -m bench.ingest

bench-fold: $(DEV) $(AZURITE) ## What folding, an idle timer and a rebuild cost
	.venv/bin/python -m bench.fold

bench-query: $(DEV) $(AZURITE) ## What answers cost, with few and with many events
	.venv/bin/python -m bench.query

bench-web: $(DEV) ## What pages cost, with few and with many events
	.venv/bin/python -m bench.web

bench-cost: $(DEV) $(AZURITE) ## Storage transactions and bytes of each event; WRITE=1 keeps them for `registrail cost`
	.venv/bin/python -m bench.cost $(if $(WRITE),--write)

bench-wire: $(DEV) $(AZURITE) ## What our codec for Table Storage costs, beside the SDK
	.venv/bin/python -m bench.wire

acr-import-base: ## Copies the base image into REGISTRY, where a task can watch it
	$(call need,REGISTRY,myregistry)
	az acr import --name $(REGISTRY) --source $(BASE_DIGEST) --image $(BASE_NAME) --force

acr-build: ## Builds the image in REGISTRY and pushes it, without tests; BASE= for another base image
	$(call need,REGISTRY,myregistry)
	az acr build --registry $(REGISTRY) --image registrail:{{.Run.ID}} --build-arg BASE_IMAGE=$(BASE) --file Dockerfile $(POOL_OPTION) .

acr-run: ## Builds the image in REGISTRY, tests it there, and pushes it if the tests pass
	$(call need,REGISTRY,myregistry)
	az acr run --registry $(REGISTRY) --file infra/tasks/build.yaml --set base=$(BASE) $(POOL_OPTION) .

acr-task: ## Has REGISTRY do that by itself: GROUP= SOURCE= (docs/acr-tasks.md), GIT_TOKEN in the environment
	$(call need,REGISTRY,myregistry)
	$(call need,GROUP,its-resource-group)
	$(call need,SOURCE,'https://github.com/OWNER/registrail.git#main')
	az deployment group create --resource-group $(GROUP) --name registrail-task --template-file infra/tasks/task.bicep --output none \
	  --parameters registryName=$(REGISTRY) source='$(SOURCE)' $(if $(POOL),agentPoolName=$(POOL)) sourceToken="$$GIT_TOKEN"

base-digest: $(VENV) ## Whether the Dockerfile's base image is today's; WRITE=1 pins today's
	.venv/bin/python tools/infra/base_digest.py $(if $(WRITE),--write)

bicep: ## Compiles and lints the templates with Microsoft's compiler; needs the Azure CLI
	@for file in infra/main.bicep infra/events.bicep infra/tasks/task.bicep; do \
	  echo "az bicep build and lint --file $$file"; \
	  az bicep build --file $$file --stdout >/dev/null && az bicep lint --file $$file || exit 1; done

image: ## Builds the container image and runs the task's steps in it; needs Docker
	docker build --build-arg BASE_IMAGE=$(BASE) --tag registrail:local .
	docker run --rm --entrypoint python --env REGISTRAIL_STORAGE=sqlite:///:memory: registrail:local -W error function_app.py
	docker run --rm --entrypoint sh --volume "$$PWD:/workspace:ro" --workdir /workspace registrail:local infra/tasks/test.sh

test-image: $(DEV) ## The image's steps without Docker, in a fresh Python; TESTS=tests also runs the tests as the task does
	.venv/bin/python tools/infra/image_steps.py \
	  --python "$$(for python in $(or $(PYTHON_NEWEST),python3.13 $$HOME/.pyenv/versions/3.13*/bin/python3.13) .venv/bin/python; do \
	    $$python -c '' 2>/dev/null && command -v $$python && break; done)" \
	  $(if $(TESTS),--tests $(TESTS))

audit: $(SUPPLY) ## Known vulnerabilities of what the app installs; asks the package index
	.venv/bin/pip-audit --requirement requirements.txt --disable-pip --no-deps

sbom: $(SUPPLY) $(RUNTIME) ## What the app consists of, with licences: dist/registrail.cdx.json (CycloneDX)
	@mkdir -p dist
	.venv/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file dist/registrail.cdx.json .venv-runtime

package: $(UV) ## The wheel and the source archive: dist/
	@rm -f dist/*.whl dist/*.tar.gz
	.venv/bin/uv build -q

release-notes: $(VENV) ## The changelog's section of TAG=v1.2.3: dist/notes.md
	$(call need,TAG,v1.2.3)
	.venv/bin/python tools/infra/release_notes.py $(TAG) dist/notes.md

lint: $(DEV) lock-check ## ruff, the layers, the lock files
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports

types: $(DEV) ## mypy
	.venv/bin/mypy

lock: $(UV) ## Brings constraints.txt and requirements.txt up to pyproject.toml; UPGRADE=1 takes newer releases
	$(compile_lock)
	@for file in constraints.txt requirements.txt; do cmp -s .venv/lock/$$file $$file || cp .venv/lock/$$file $$file; done

lock-check: $(UV) ## Fails when `make lock` would change something
	$(compile_lock)
	@for file in constraints.txt requirements.txt; do diff -u $$file .venv/lock/$$file || { \
	  echo "Registrail: $$file is not what pyproject.toml asks for; run make lock." >&2; exit 1; }; done

clean: ## Removes what these verbs installed and cached; keeps recorded data
	rm -rf .venv .venv-runtime .venv-3.13 tools/azurite/node_modules tools/vendor/node_modules .coverage .coverage.* dist \
	  .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find registrail tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV): $(call moved,.venv)
	$(call venv,.venv,$(PYTHONS),311,3.11–3.13)

$(LOCAL): $(VENV) pyproject.toml constraints.txt
	$(call install,.venv,-e '.[local]')
	@touch $@

$(NPM): $(VENV) pyproject.toml constraints.txt
	$(call install,.venv,-e '.[azurite]')
	@touch $@

$(UV): $(VENV)
	$(call install,.venv,uv)
	@touch $@

$(DEV): $(VENV) pyproject.toml constraints.txt
	$(call install,.venv,-e '.[local$(comma)azurite$(comma)dev]')
	@touch $(LOCAL) $(NPM) $(UV) $@

$(SUPPLY): $(VENV) pyproject.toml constraints.txt
	$(call install,.venv,-e '.[supply]')
	@touch $@

$(AZURITE): tools/azurite/package.json tools/azurite/package-lock.json tools/azurite/.npmrc | $(NPM)
	$(call npm_ci,Azurite,--omit=dev)

$(VENDOR): tools/vendor/package.json tools/vendor/package-lock.json tools/vendor/.npmrc | $(NPM)
	$(call npm_ci,what pages load)

$(RUNTIME): requirements.txt $(call moved,.venv-runtime)
	$(call venv,.venv-runtime,$(PYTHONS),311,3.11–3.13)
	$(call install,.venv-runtime,-r requirements.txt)
	@touch $@

$(NEWEST): pyproject.toml constraints.txt $(call moved,.venv-3.13)
	$(call venv,.venv-3.13,$(PYTHONS_NEWEST),313,3.13)
	$(call install,.venv-3.13,-e '.[local$(comma)dev$(comma)platform]')
	@touch $@
