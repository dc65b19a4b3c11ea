#!/usr/bin/env bash
# steps-join.sh - join dies before, in and behind each of its durable steps;
# the run goes on and ends as if it had not, and another one changes nothing.
#
# STEPS_STRIDE: only every so manieth step, from a random one (16); `make
# crash` takes them all.
. tests/setup.sh
. tests/steps.sh

stride=${STEPS_STRIDE:-16}
kills=0
work=$TMP/work
db=$work/state.db

# lay N: what the round began with, before and after `join begin`.
lay() {
	rm -rf "$work"
	mkdir "$work"
	cp "$TMP/$1/begun.db" "$db"
	[ "$1" = 1 ] || cp "$TMP/$(($1 - 1))/mesh.db" "$work"
}
lay_before() {
	rm -rf "$work"
	mkdir "$work"
	[ "$1" = 1 ] || cp "$TMP/$(($1 - 1))"/{state,mesh}.db "$work"
}

# One run in which join dies at a step; 1 when it had no such step.
die_joining() {
	rm -f "$TMP/steps"
	spoiled '*/state.db*' "$2" "$3" "$JOIN" --db "$db" \
		--after "$(place "sqlite:$work/mesh.db")" <"$TMP/$1/in" \
		2>"$TMP/join.log" | "$SINK" "sqlite:$work/mesh.db" 2>/dev/null
	died "${PIPESTATUS[0]}"
}
die_beginning() {
	rm -f "$TMP/steps"
	spoiled '*/state.db*' "$2" "$3" "$JOIN" begin --db "$db" \
		--mode "$(mode_of "$1")" okta:contoso >"$TMP/answer" \
		2>"$TMP/join.log"
	died $?
}
died() {
	if fired; then
		kills=$((kills + 1))
		[ "$1" = 137 ] || echo "exit $1 instead of a kill" >&2
	else
		return 1
	fi
}

# The round goes on, ends as it should, and is over.
goes_on() {
	local before
	pipeline "$TMP/okta.json" "$db" "sqlite:$work/mesh.db" "$(mode_of "$1")"
	[ "$pipe_status" = '0 0 0 0' ] || {
		echo "the run that goes on: $pipe_status"
		cat "$TMP"/{fetch,transform,join,sink}.log
		return 1
	}
	whole "$1" || return 1
	before=$(newest "$db")
	pipeline "$TMP/okta.json" "$db" "sqlite:$work/mesh.db"
	[ "$(newest "$db")" = "$before" ] || {
		echo "another run had changes: $before, $(newest "$db")"
		return 1
	}
	whole "$1"
}
whole() {
	sound "$db" || return 1
	diff "$TMP/$1/want" <(dump_state "$db") || return 1
	diff "$TMP/$1/want" <(sqlite_state "$work/mesh.db")
}

# every WHAT LAY ROUND HOW: each step in turn, until there are no more.  Only
# a write has a half.
every() {
	local n=$((RANDOM % stride + 1)) bad='' STEPS_OF
	[ "$4" = kill-half ] && export STEPS_OF=write
	while "$2" "$3" && "die_$1" "$3" "$4" $n; do
		goes_on "$3" >"$TMP/why" 2>&1 || {
			bad="$(where) $(head -n 6 "$TMP/why" | cut -c1-300)"
			break
		}
		n=$((n + stride))
	done
	is "round $3: $4 at any step of $1 loses nothing" "$bad" ''
}

round() {
	local how
	for how in kill kill-half kill-after; do
		every beginning lay_before "$1" $how
		every joining lay "$1" $how
		[ "$failed" -eq 0 ] || done_testing
	done
}
RANDOM=${SEED:-$$}
small_history round
echo "# $kills kills"
ok 'there were kills' test $kills -gt $((600 / stride))
done_testing
