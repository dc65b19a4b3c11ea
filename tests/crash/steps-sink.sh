#!/usr/bin/env bash
# steps-sink.sh - a sink dies before, in and behind each of its durable
# steps, in every kind of stream that join has for it; it goes on and its
# target ends as if it had not.
#
# STEPS_STRIDE: only every so manieth step, from a random one (12); `make
# crash` takes them all.
. tests/setup.sh
. tests/steps.sh

stride=${STEPS_STRIDE:-12}
kills=0
work=$TMP/work

lay() {
	rm -rf "$work"
	mkdir "$work"
	cp "$TMP/$1/state.db" "$work"
	case $1 in
	1) ;;
	4) cp "$TMP"/4/mesh* "$work" ;;
	*) cp "$TMP/$(($1 - 1))"/mesh* "$work" ;;
	esac
}
changes_for() {
	"$JOIN" --db "$work/state.db" --after "$(place "$1")" </dev/null \
		2>>"$TMP/join.log"
}
# One carrying in which the sink dies at a step; 1 when there is none such.
die() {
	rm -f "$TMP/steps"
	changes_for "$1" | spoiled '*/mesh*' "$2" "$3" "$SINK" "$1" \
		2>"$TMP/sink.log"
	status=${PIPESTATUS[1]}
	fired || return 1
	kills=$((kills + 1))
	[ "$status" = 137 ] || echo "exit $status instead of a kill" >&2
}
carry() {
	changes_for "$1" | "$SINK" "$1" 2>"$TMP/sink.log" && return
	cat "$TMP/join.log" "$TMP/sink.log"
	return 1
}
# Carried to its end; then there is nothing left to do.
goes_on() {
	local sum
	carry "$1" && whole "$1" "$2" || return 1
	sum=$(target_state "$1" | sum)$(place "$1")
	carry "$1" || return 1
	[ "$sum" = "$(target_state "$1" | sum)$(place "$1")" ] || {
		echo 'carrying again changed it'
		return 1
	}
	grep -q ' 0 put, 0 deleted' "$TMP/sink.log" || {
		cat "$TMP/sink.log"
		return 1
	}
}
whole() {
	[ "$(place "$1")" = "$(newest "$work/state.db")" ] || {
		echo "it is at $(place "$1")"
		return 1
	}
	[ "${1%%:*}" = ndjson ] ||
		[ "$(sqlite3 "${1#*:}" 'PRAGMA integrity_check')" = ok ] ||
		return 1
	diff "$TMP/$(($2 > 3 ? 3 : $2))/want" <(target_state "$1")
}

# every TARGET ROUND HOW: each step in turn, until there are no more.
every() {
	local n=$((RANDOM % stride + 1)) bad='' STEPS_OF
	[ "$3" = kill-half ] && export STEPS_OF=write
	while lay "$2" && die "$1" "$3" $n; do
		goes_on "$1" "$2" >"$TMP/why" 2>&1 || {
			bad="$(where) $(head -n 6 "$TMP/why" | cut -c1-300)"
			break
		}
		n=$((n + stride))
	done
	is "round $2: $3 at any step of ${1%%:*} loses nothing" "$bad" ''
}

RANDOM=${SEED:-$$}
small_history :
for how in kill kill-half kill-after; do
	for round in 1 2 3 4; do
		every "sqlite:$work/mesh.db" $round $how
		every "ndjson:$work/mesh.ndjson" $round $how
	done
done
echo "# $kills kills"
ok 'there were kills' test $kills -gt $((300 / stride))
done_testing
