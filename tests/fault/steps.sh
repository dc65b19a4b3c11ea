#!/usr/bin/env bash
# steps.sh - each call that join and the sinks make on their files fails at
# each of its steps: no room, a broken disk, a file that cannot be written,
# no memory for SQLite.  They end with 111, say which file it is and what to
# do, leave it whole, and the next run ends as if nothing had been.
#
# STEPS_STRIDE: only every so manieth step, from a random one (16); `make
# crash` takes them all.
. tests/setup.sh
. tests/steps.sh

stride=${STEPS_STRIDE:-16}
faults=0
work=$TMP/work
db=$work/state.db

lay() {
	rm -rf "$work"
	mkdir "$work"
	cp "$TMP/$1/begun.db" "$db"
	[ "$1" = 1 ] || cp "$TMP/$(($1 - 1))"/mesh* "$work"
}
lay_sink() {
	lay "$1"
	cp "$TMP/$1/state.db" "$db"
}

# They set $code; the reason is in $TMP/err.
of_join() {
	spoiled '*/state.db*' "$2" "$3" "$JOIN" --db "$db" \
		--after "$(place "sqlite:$work/mesh.db")" <"$TMP/$1/in" \
		2>"$TMP/err" | "$SINK" "sqlite:$work/mesh.db" 2>/dev/null
	code=${PIPESTATUS[0]}
}
of_sqlite() { of_sink "sqlite:$work/mesh.db" "$2" "$3"; }
of_ndjson() { of_sink "ndjson:$work/mesh.ndjson" "$2" "$3"; }
of_sink() {
	"$JOIN" --db "$db" --after "$(place "$1")" </dev/null 2>/dev/null |
		spoiled '*/mesh*' "$2" "$3" "$SINK" "$1" 2>"$TMP/err"
	code=${PIPESTATUS[1]}
}

# What it is that failed, where people can find it in the message.
declare -A names=([join]=state.db [sqlite]=mesh.db [ndjson]=mesh.ndjson)

# A fault may be harmless: then nothing is lost and all is said to be well.
ended_well() {
	case $code in
	111) ;;
	0) whole "$1" "$2" && return ;;
	*)
		echo "exit $code"
		cat "$TMP/err"
		return 1
		;;
	esac
	# One line that has the file in it and the way out.
	grep "error: .*${names[$1]}" "$TMP/err" |
		grep -Eq "; .*(run again|name another|remove it|restore)" || {
		echo 'it does not say which file, or not what to do:'
		cat "$TMP/err"
		return 1
	}
	! grep Sanitizer "$TMP/err"
}
intact() {
	case $1 in
	join) set -- "$db" ;;
	sqlite) set -- "$work/mesh.db" ;;
	*) return 0 ;;
	esac
	[ ! -s "$1" ] || is_ok "$(sqlite3 "$1" 'PRAGMA integrity_check' 2>&1)"
}
is_ok() {
	[ "$1" = ok ] || {
		echo "integrity: $1"
		return 1
	}
}
whole() {
	case $1 in
	join) diff "$TMP/$2/want" <(dump_state "$db") && sound "$db" ;;
	sqlite) diff "$TMP/$2/want" <(sqlite_state "$work/mesh.db") ;;
	ndjson) diff "$TMP/$2/want" <(ndjson_state "$work/mesh.ndjson") ;;
	esac
}
# The same input again, without a fault.
goes_on() {
	"of_$1" "$2" none 0
	[ "$code" = 0 ] || {
		echo "the next run: exit $code"
		cat "$TMP/err"
		return 1
	}
	whole "$1" "$2"
}

# every WHAT ROUND ERRNO [KIND...]: each step in turn, until there are none.
every() {
	local what=$1 round=$2 how=$3 n=$((RANDOM % stride + 1)) bad='' STEPS_OF
	shift 3
	[ $# = 0 ] || export STEPS_OF="$*"
	while :; do
		if [ "$what" = join ]; then lay "$round"; else lay_sink "$round"; fi
		rm -f "$TMP/steps"
		"of_$what" "$round" "$how" $n
		fired || break
		faults=$((faults + 1))
		{ ended_well "$what" "$round" && intact "$what" &&
			goes_on "$what" "$round"; } >"$TMP/why" 2>&1 || {
			bad="$(where) $(head -n 6 "$TMP/why" | cut -c1-300)"
			break
		}
		n=$((n + stride))
	done
	is "round $round: $how at any step of $what (${*:-to write}) is survived" \
		"$bad" ''
}

from_then_on() {
	local -x STEPS_MORE=1
	every "$@"
}

RANDOM=${SEED:-$$}
small_history :
for what in join sqlite ndjson; do
	for round in 1 2; do
		every $what $round ENOSPC
		every $what $round EIO
		every $what $round EIO read
		from_then_on $what $round ENOSPC write
	done
	every $what 2 short write
	every $what 2 EDQUOT write sync
	every $what 1 EROFS open
	every $what 2 EACCES open
done
echo "# $faults faults"
ok 'there were faults' test $faults -gt $((300 / stride))
done_testing
