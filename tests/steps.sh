# steps.sh - programs that die or fail at one step that they count
# themselves, and a small history to do it in: `. tests/steps.sh` behind
# setup.sh.  What a step is and what can happen there: tests/shim/steps.c.
# shellcheck shell=bash
. tests/state.sh

JOIN=$BUILD/idmesh-join
SINK=$BUILD/idmesh-sink
SHIM=$BUILD/steps.so

[ -e "$SHIM" ] || {
	echo "Bail out! $SHIM is not built: make tests"
	exit 1
}

# spoiled PATTERNS HOW N PROGRAM...: N 0 only counts.  Kinds of steps other
# than those that write are in $STEPS_OF.  The shim stands before ASan's
# functions, which have to be told that this is meant.
spoiled() {
	spoil "$1" "$2" "$3"
	shift 3
	"${spoil[@]}" "$@"
}
# spoil PATTERNS HOW N: "${spoil[@]}" before a program, for start.
spoil() {
	spoil=(env "STEPS_ON=$1" "STEPS_DO=$2" "STEPS_AT=$3"
		"STEPS_LOG=$TMP/steps" "LD_PRELOAD=$SHIM"
		"ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0")
}
fired() { grep -q '^fired' "$TMP/steps" 2>/dev/null; }
where() { sed -n 's/^fired //p' "$TMP/steps"; }
counted() { sed -n 's/^counted //p' "$TMP/steps"; }

# The undisturbed history: after round N join's database is $TMP/N/state.db,
# the targets are beside it and $TMP/N/want is what they hold.  A round is
# what transform wrote in it ($TMP/N/in), on top of $TMP/N/begun.db.
mode_of() { [ "$1" = 3 ] && echo full || echo auto; }

change_org() {
	case $1 in
	2) curl -sf -X POST "$url/_sim/mutate" -d '{"change": 4, "create": 3,
		"deprovision": 2, "move": 8, "groups": 3, "renameGroups": 1}' ;;
	3) curl -sf -X POST "$url/_sim/mutate" -d '{"delete": 2, "move": 4,
		"groups": 2}' ;;
	esac >/dev/null
}

record_round() {
	local n=$1 dir=$TMP/$1
	mkdir -p "$dir"
	[ "$n" = 1 ] || cp "$TMP/$((n - 1))"/state.db "$TMP/$((n - 1))"/mesh* "$dir"
	"$JOIN" begin --db "$dir/state.db" --mode "$(mode_of "$n")" \
		okta:contoso >"$TMP/answer"
	cp "$dir/state.db" "$dir/begun.db"
	"$IDMESH" fetch "$TMP/okta.json" --resume "$TMP/answer" 2>>"$TMP/calm.log" |
		"$IDMESH" transform 2>>"$TMP/calm.log" >"$dir/in"
	"$JOIN" --db "$dir/state.db" --after "$(place "sqlite:$dir/mesh.db")" \
		<"$dir/in" 2>>"$TMP/calm.log" |
		tee >("$SINK" "ndjson:$dir/mesh.ndjson" 2>>"$TMP/calm.log") |
		"$SINK" "sqlite:$dir/mesh.db" 2>>"$TMP/calm.log"
	wait_for cursors_agree "$dir"
	dump_state "$dir/state.db" >"$dir/want"
}
cursors_agree() {
	[ "$(place "sqlite:$1/mesh.db")" = "$(newest "$1/state.db")" ] &&
		[ "$(place "ndjson:$1/mesh.ndjson")" = "$(newest "$1/state.db")" ]
}

# The log was cut off behind targets of round 2: they are built anew.
record_rebuild() {
	mkdir -p "$TMP/4"
	cp "$TMP"/3/* "$TMP/4"
	cp "$TMP"/2/mesh* "$TMP/4"
	sqlite3 "$TMP/4/state.db" 'DELETE FROM change;
		UPDATE store SET oldest = newest + 1'
}

# small_history DO: DO N is called when round N is recorded and the org is as
# it was then.
small_history() {
	local n
	org small --users 60 --groups 5 --edges 150 --tier unlimited --seed 3 \
		--page-max 20
	source_file "$TMP/okta.json"
	for n in 1 2 3; do
		change_org $n
		record_round $n
		ok "round $n undisturbed: all is whole" sound "$TMP/$n/state.db"
		ok "round $n undisturbed: the targets have the mesh" \
			same_everywhere "$TMP/$n" "$TMP/$n/want"
		[ $n = 1 ] || ok "round $n changed something" \
			test "$(newest "$TMP/$n/state.db")" != \
			"$(newest "$TMP/$((n - 1))/state.db")"
		"$1" $n
	done
	stop small
	record_rebuild
}

same_everywhere() {
	diff "$2" <(sqlite_state "$1/mesh.db") &&
		diff "$2" <(ndjson_state "$1/mesh.ndjson")
}

# What a set of services around join needs; the caller starts them.
jobs=ipc://$TMP/run/jobs
commit=ipc://$TMP/run/join
calm_import() {
	rm -f "$TMP"/calm.db*
	"$IDMESH" fetch "$TMP/okta.json" 2>>"$TMP/calm.log" |
		"$IDMESH" transform 2>>"$TMP/calm.log" |
		"$JOIN" --db "$TMP/calm.db" >/dev/null 2>>"$TMP/calm.log"
	dump_state "$TMP/calm.db" >"$TMP/calm"
}
ended() { ! kill -0 "$(cat "$TMP/$1.pid")" 2>/dev/null; }
