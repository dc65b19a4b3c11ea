#!/usr/bin/env bash
# cut.sh - a stream of bytes that ends anywhere: what is whole counts, half a
# line is never processed, and the whole stream behind it brings the rest.
#
# A recorded run is cut at many bytes, at the ends of lines among them, for
# each of the stages.  SEED decides where.
. tests/setup.sh
. tests/wire.sh

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# seed $SEED"
fetch=$BUILD/idmesh-fetch
transform=$BUILD/idmesh-transform
join=$BUILD/idmesh-join
sink=$BUILD/idmesh-sink

org okta --users 120 --groups 6 --edges 300 --tier unlimited --page-max 12
source_file "$TMP/okta.json"
"$fetch" "$TMP/okta.json" -q >"$TMP/pages" 2>/dev/null
"$transform" <"$TMP/pages" >"$TMP/records" 2>/dev/null
"$join" --db "$TMP/calm.db" --after - <"$TMP/records" >"$TMP/changes" \
	2>/dev/null
dump_state "$TMP/calm.db" >"$TMP/calm"
ok 'the recording is whole' test "$(wc -l <"$TMP/calm")" -gt 400

# cuts FILE N: N places in it, ends of lines and their neighbours among them.
cuts() {
	local size
	size=$(wc -c <"$1")
	{
		LC_ALL=C awk '{ print at += length + 1 }' "$1" |
			shuf -n $(($2 / 4)) --random-source=<(yes "$SEED") |
			awk '{ print; print $1 - 1 }'
		for ((i = 0; i < $2 / 2; i++)); do
			echo $(((RANDOM * 32768 + RANDOM) % size))
		done
		echo 1
		echo $((size - 1))
	} | sort -nu
}
# cut FILE AT: makes $TMP/cut of the first AT bytes, and $TMP/whole of its
# whole lines; $torn is 1 when these differ.
cut_at() {
	head -c "$2" "$1" >"$TMP/cut"
	head -n "$(wc -l <"$TMP/cut")" "$1" >"$TMP/whole"
	torn=1
	cmp -s "$TMP/cut" "$TMP/whole" && torn=0
}
# What went wrong at which byte, for the one line of a stage.
wrong=
at() { [ -n "$wrong" ] || wrong="at byte $1: $2"; }

# --- transform, alone and with three processes
for j in 1 3; do
	n=0
	wrong=
	for k in $(cuts "$TMP/pages" 16); do
		cut_at "$TMP/pages" "$k"
		run "$transform" -j $j <"$TMP/cut"
		sort "$TMP/run.out" >"$TMP/got"
		head -n "$(wc -l <"$TMP/whole")" "$TMP/records" | sort |
			cmp -s - "$TMP/got" || at "$k" 'other records'
		if [ $torn = 1 ]; then
			[ "$status" = 111 ] || at "$k" "exit $status"
			grep -q 'in the middle of a line' "$TMP/run.err" ||
				at "$k" 'no word of it'
		else
			[ "$status" = 0 ] || at "$k" "exit $status"
		fi
		n=$((n + 1))
	done
	is "transform -j $j: cut at $n bytes, whole lines count" "$wrong" ''
done

# --- join: what is whole is committed, and the rest comes behind it
n=0
wrong=
for k in $(cuts "$TMP/records" 16); do
	rm -f "$TMP"/{one,two}.db*
	cut_at "$TMP/records" "$k"
	run "$join" --db "$TMP/one.db" <"$TMP/cut"
	[ "$status" = 111 ] || at "$k" "exit $status"
	if [ $torn = 1 ]; then
		grep -q 'in the middle of a line' "$TMP/run.err" ||
			at "$k" 'no word of it'
	else
		grep -q 'did not end' "$TMP/run.err" || at "$k" 'no word of it'
	fi
	"$join" --db "$TMP/two.db" <"$TMP/whole" >/dev/null 2>&1
	dump_state "$TMP/one.db" >"$TMP/one"
	dump_state "$TMP/two.db" | cmp -s - "$TMP/one" || at "$k" 'another mesh'
	run "$join" --db "$TMP/one.db" <"$TMP/records"
	[ "$status" = 0 ] || at "$k" "the rest: exit $status"
	dump_state "$TMP/one.db" | cmp -s - "$TMP/calm" ||
		at "$k" 'the rest: another mesh'
	n=$((n + 1))
done
is "join: cut at $n bytes, whole lines count" "$wrong" ''

# --- the sinks
for kind in sqlite ndjson; do
	n=0
	wrong=
	for k in $(cuts "$TMP/changes" 16); do
		rm -f "$TMP"/target*
		target=$kind:$TMP/target
		cut_at "$TMP/changes" "$k"
		run "$sink" "$target" <"$TMP/cut"
		if [ $torn = 1 ]; then
			[ "$status" = 111 ] || at "$k" "exit $status"
			grep -q 'in the middle of a line' "$TMP/run.err" ||
				at "$k" 'no word of it'
		fi
		jq -rs '[.[] | select(.kind != "schema")] | last |
			if . then .cursor // "\(.source):\(.seq)"
			else "-" end' \
			"$TMP/whole" >"$TMP/cursor"
		"$sink" cursor "$target" | cmp -s - "$TMP/cursor" ||
			at "$k" "at $("$sink" cursor "$target")"
		run "$sink" "$target" <"$TMP/changes"
		[ "$status" = 0 ] || at "$k" "the rest: exit $status"
		"${kind}_state" "$TMP/target" | cmp -s - "$TMP/calm" ||
			at "$k" 'the rest: another mesh'
		n=$((n + 1))
	done
	is "$kind: cut at $n bytes, whole lines count" "$wrong" ''
done

# --- fetch: half a state is none, and costs no call
"$join" begin --db "$TMP/calm.db" okta:contoso >"$TMP/state"
before=$(calls)
n=0
wrong=
for k in 0 $(cuts "$TMP/state" 16); do
	cut_at "$TMP/state" "$k"
	[ "$torn" = 1 ] || [ "$k" = 0 ] || continue
	run "$fetch" "$TMP/okta.json" --resume - <"$TMP/cut"
	[ "$status" = 111 ] || at "$k" "exit $status"
	grep -q 'did what writes it fail' "$TMP/run.err" ||
		at "$k" 'no word of it'
	n=$((n + 1))
done
is "fetch: a state cut at $n bytes is not taken" "$wrong" ''
is 'fetch: and nothing was asked for' "$(calls)" "$before"

done_testing
