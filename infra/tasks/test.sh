#!/bin/sh
# Runs the tests that need nothing but Python on the interpreter and the packages that are there, as whoever calls it.
# The tests of the repository itself need git and make, and are left out.
# Leaves the sources as they are: ACR Tasks shares them between steps.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source"
tar -C "$(dirname "$0")/../.." --exclude=./.git --exclude=./.venv --exclude='./.venv-*' --exclude=node_modules -cf - . |
  tar -C "$work/source" -xf -
cd "$work/source"
export HOME="$work"
python -m venv --system-site-packages "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-cache-dir --disable-pip-version-check -c constraints.txt -e '.[local,dev]'
"$work/venv/bin/python" -m pytest -q -n 2 -p no:cacheprovider --ignore=tests/infra --ignore=tests/test_repository.py \
  -m 'not azurite and not browser and not registry and not platform' "${@:-tests}"
