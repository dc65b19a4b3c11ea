# ports.sh - `. tests/ports.sh` behind setup.sh, for tests of tcp:// endpoints.
# shellcheck shell=bash

# free_port: one that nobody listens at, and that no connect is given.
free_port() {
	local n
	for (( ; ; )); do
		n=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$n") 2>/dev/null || break
	done
	echo "$n"
}
