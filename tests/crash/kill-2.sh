#!/usr/bin/env bash
# kill-2.sh - kill any process at any moment: the mesh ends the same.
#
# SEEDS names other histories than these of tests/kills.sh.
. tests/setup.sh
. tests/kills.sh

# shellcheck disable=SC2086 # a list
histories ${SEEDS:-5 6 7}
done_testing
