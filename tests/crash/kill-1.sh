#!/usr/bin/env bash
# kill-1.sh - kill any process at any moment: the mesh ends the same.
#
# SEEDS names other histories than these of tests/kills.sh.
. tests/setup.sh
. tests/kills.sh

# shellcheck disable=SC2086 # a list
histories ${SEEDS:-1 2 3 4}
done_testing
