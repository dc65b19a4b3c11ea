# memory.sh - the largest that each program becomes, for a small org and one of
# ten times as many people.  Sourced by tests/bench/run.
# shellcheck shell=bash

SMALL=${BENCH_MEMORY:-50000}

# one_size NAME USERS: a first import, and a full pass in which nothing changed.
one_size() {
	start_org "$2" $(($2 / 500)) "$2"
	setting "$1"
	measured "$1" "$IDMESH" run "$DIR/$1/idmesh.json" -j 1 -q
	measured "$1.again" "$IDMESH" run "$DIR/$1/idmesh.json" -j 1 -q --mode full
	awk '/VmHWM/ { print $2 }' "/proc/$sim/status" >"$DIR/$1.sim"
	stop_org
	[ "$(sqlite3 "$DIR/$1/mesh.db" 'select count(*) from "User"')" -gt \
		$(($2 * 9 / 10)) ] || die "$1: users are missing"
}

mb() { calc "printf \"%.0f\", $1 / 1024"; }

memory_row() {
	local a b
	a=$(of "$2" ".programs[\"$3\"] // 0")
	b=$(of "$4" ".programs[\"$3\"] // 0")
	printf '  %-30s %8s MB %8s MB   x %.2f\n' "$1" "$(mb "$a")" "$(mb "$b")" \
		"$(calc "print $b / ($a > 0 ? $a : 1)")"
}

# promised NAME: at any number of people it needs what it needs for few.
promised() {
	local run a b
	for run in '' .again; do
		a=$(of "less$run" ".programs[\"idmesh-$1\"]")
		b=$(of "more$run" ".programs[\"idmesh-$1\"]")
		[ "$b" -le $((a * 11 / 10)) ] ||
			die "$1 grew from $a to $b KiB with the people"
		[ "$b" -le 102400 ] || die "$1 needed $b KiB, which is over 100 MiB"
	done
}

bench_memory() {
	local name
	one_size less "$SMALL"
	one_size more $((SMALL * 10))
	title "memory: $(thousands "$SMALL") users against $(thousands $((SMALL * 10)))"
	printf '  %-30s %11s %11s   %s\n' 'largest, first import' small large ratio
	for name in fetch transform join sink run; do
		memory_row "$name" less "idmesh-$name" more
	done
	printf '  %-30s\n' 'largest, nothing changed'
	for name in fetch transform join sink; do
		memory_row "$name" less.again "idmesh-$name" more.again
	done
	printf '  %-30s %9.1f s %9.1f s   x %.2f\n' 'wall, first import' \
		"$(of less .seconds)" "$(of more .seconds)" \
		"$(calc "print $(of more .seconds) / $(of less .seconds)")"
	printf '  %-30s %8s MB %8s MB\n' 'the simulator itself' \
		"$(mb "$(<"$DIR/less.sim")")" "$(mb "$(<"$DIR/more.sim")")"
	for name in fetch transform sink; do
		promised "$name"
	done
}
