#!/usr/bin/env bash
# damage.sh - SQLite gets no memory, at any of its requests, or a page in the
# middle of a file is damaged: nobody crashes, each says which file it is and
# what to do, and a way back is there.
#
# ALLOC_SAMPLES: how many requests for memory fail, spread over all of them
# (40); `make crash` takes more.
. tests/setup.sh
. tests/steps.sh

samples=${ALLOC_SAMPLES:-40}
work=$TMP/work
db=$work/state.db
mesh=sqlite:$work/mesh.db
faults=0

lay() {
	rm -rf "$work"
	mkdir "$work"
	cp "$TMP/2/begun.db" "$db"
	cp "$TMP"/1/mesh* "$work"
	rm -f "$TMP/steps"
}
lay_new() {
	rm -rf "$work"
	mkdir "$work"
	rm -f "$TMP/steps"
}
starved() {
	local n=$1
	shift
	STEPS_OF=alloc spoiled '*' ENOMEM "$n" "$@"
}

# What asks for memory: each sets $code; the reason is in $TMP/err.
joining() {
	lay
	starved "$1" "$JOIN" --db "$db" --after "$(place "$mesh")" \
		<"$TMP/2/in" >"$TMP/out" 2>"$TMP/err"
	code=$?
}
beginning() {
	lay_new
	starved "$1" "$JOIN" begin --db "$db" okta:contoso >"$TMP/out" \
		2>"$TMP/err"
	code=$?
}
dumping() {
	lay
	cp "$TMP/2/state.db" "$db"
	starved "$1" "$JOIN" dump --db "$db" >"$TMP/out" 2>"$TMP/err"
	code=$?
}
sinking() {
	lay
	cp "$TMP/2/state.db" "$db"
	"$JOIN" --db "$db" --after "$(place "$mesh")" </dev/null 2>/dev/null |
		starved "$1" "$SINK" "$mesh" 2>"$TMP/err"
	code=$?
}
placing() {
	lay
	starved "$1" "$SINK" cursor "$mesh" >"$TMP/out" 2>"$TMP/err"
	code=$?
}

# And what is right when there is memory again.
joining_right() { "$JOIN" --db "$db" <"$TMP/2/in" >/dev/null 2>&1; dumps 2; }
dumps() { diff "$TMP/$1/want" <(dump_state "$db") && sound "$db"; }
beginning_right() {
	"$JOIN" begin --db "$db" okta:contoso >/dev/null &&
		[ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ]
}
dumping_right() { dumps 2; }
sinking_right() {
	"$JOIN" --db "$db" --after "$(place "$mesh")" </dev/null 2>/dev/null |
		"$SINK" "$mesh" 2>/dev/null &&
		diff "$TMP/2/want" <(sqlite_state "$work/mesh.db")
}
placing_right() { [ "$(place "$mesh")" = "$(newest "$TMP/1/state.db")" ]; }

ended_well() {
	case $code in
	0) return 0 ;; # SQLite did without, or tried again
	111) ;;
	*)
		echo "exit $code"
		cat "$TMP/err"
		return 1
		;;
	esac
	! grep Sanitizer "$TMP/err" && grep -q 'error: .*\.db.*; .*run again' \
		"$TMP/err" && return
	echo 'it does not say which file, or not what to do:'
	cat "$TMP/err"
	return 1
}

# every WHAT: requests for memory, spread evenly from a random one.
every() {
	local all n bad=''
	"$1" 0
	all=$(counted)
	n=$((RANDOM % (all / samples + 1) + 1))
	while
		"$1" $n
		fired
	do
		faults=$((faults + 1))
		{ ended_well && "$1_right"; } >"$TMP/why" 2>&1 || {
			bad="$(where) of $all: $(head -n 6 "$TMP/why" |
				cut -c1-300)"
			break
		}
		n=$((n + all / samples + 1))
	done
	is "$1 without memory" "$bad" ''
}

RANDOM=${SEED:-$$}
small_history :
for what in beginning joining dumping sinking placing; do
	every $what
done
echo "# $faults times no memory"
ok 'memory was refused' test $faults -gt $((samples * 2))

# damage FILE: every page but the first two is overwritten in its middle.
damage() {
	local size page pages i
	page=$(sqlite3 "$1" 'PRAGMA page_size')
	size=$(stat -c %s "$1")
	pages=$((size / page))
	for ((i = 2; i < pages; i++)); do
		printf 'damaged by a test %0400d' 0 | dd of="$1" bs=1 conv=notrunc \
			seek=$((i * page)) status=none
	done
}
lay
damage "$db"
run "$JOIN" --db "$db" <"$TMP/2/in"
is 'damaged pages in the database of join: 111' "$status" 111
like 'it says which file it is, and the way back' "$err" \
	"$db: .*malformed; .*restore a backup"
run "$JOIN" dump --db "$db"
is 'dump says so, too' "$status" 111
cp "$TMP/2/begun.db" "$db"
joining_right
ok 'with the backup all is well' dumps 2

lay
cp "$TMP/2/state.db" "$db"
damage "$work/mesh.db"
carry() {
	"$JOIN" --db "$db" --after "${1:-}" </dev/null 2>/dev/null >"$TMP/changes"
	run "$SINK" "$mesh" <"$TMP/changes"
}
carry "$(newest "$TMP/1/state.db")"
is 'damaged pages in a target: 111' "$status" 111
like 'it says which file it is, and the way back' "$err" \
	"$work/mesh.db is damaged .*; .*remove it"
rm "$work"/mesh.db*
carry -
is 'removed, it is built anew' "$status" 0
ok 'and whole' sinking_right
done_testing
