# budget.sh - what the torture tests of the budget share.
#
# Each asks a simulated org with hard limits for everything.  How many windows
# that took is tested; the wall time against that of a model client which knows
# the limits beforehand is printed, and tested under `make bench` alone
# (BUDGET_TIMES=yes), which has the machine for itself.
# shellcheck shell=bash

# import NAME [FETCH OPTION...]: all of the org NAME; pages, request log,
# exit code and wall time in $TMP/NAME.{pages,req,code,ms}.  fetch runs with
# a clock that is $CLOCK off, such as +5h, where that is set (faketime is
# loaded before a sanitizer's runtime, which is harmless).
import() {
	local name=$1 begun
	shift
	begun=$(date +%s%3N)
	timeout -k 5 "${IMPORT_SECONDS:-200}" ${CLOCK:+env \
		ASAN_OPTIONS=verify_asan_link_order=0 faketime -f "$CLOCK"} \
		"$IDMESH" fetch "$@" \
		--request-log "$TMP/$name.req" "$TMP/$name.json" \
		>"$TMP/$name.pages" 2>"$TMP/$name.err"
	echo $? >"$TMP/$name.code"
	echo $(($(date +%s%3N) - begun)) >"$TMP/$name.ms"
}

# of NAME WHAT: what import left.
of() { cat "$TMP/$1.$2"; }

# sim NAME PATH [CURL OPTION...]: the control of an org.
sim() {
	curl -sS -m 30 "http://127.0.0.1:$(of "$1" port)/_sim/$2" "${@:3}"
}

# stats NAME FILTER: one number of the org's own statistics.
stats() { sim "$1" stats | jq -r "$2"; }

# bucket NAME BUCKET FIELD: one of its buckets.
bucket() {
	stats "$1" ".buckets[] | select(.name == \"$2\") | .$3"
}

# first_window NAME PATTERN: milliseconds from the first call that matches
# to the Reset in its answer; the org's clock may be SKEW seconds ahead.
first_window() {
	jq -s --arg p "$2" --argjson skew "${SKEW:-0}" \
		'[.[] | select(.path | test($p))][0] |
		(.reset - $skew) * 1000 - ((.time[:19] + "Z" | fromdate) * 1000 +
			(.time[20:23] | tonumber) - .ms)' "$TMP/$1.req"
}

# windows NAME BUCKET PATTERN LIMIT WINDOW_S IN_FLIGHT LATENCY_MS: the wall
# time, in ms, of a client that knows limit and reset of every answer before
# it comes.  All calls of a window leave as soon as it opens.  So it sends the
# calls that N needs in ceil(N / LIMIT) windows and waits one time less: for
# the rest of the first window, which its Reset tells, and for whole windows
# after that, since a window begins with its first call and its Reset is a
# whole second.  Then the last calls take their latency, IN_FLIGHT at a time.
windows() {
	awk -v n="$(bucket "$1" "$2" calls)" -v limit="$4" -v window="$5" \
		-v k="$6" -v latency="$7" -v first="$(first_window "$1" "$3")" '
		function up(x) { return x == int(x) ? x : int(x) + 1 }
		BEGIN {
			waits = up(n / limit) - 1
			left = n - waits * limit
			ms = waits > 0 ? first + (waits - 1) * window * 1000 : 0
			printf "%d\n", ms + up(left / k) * latency
		}'
}

# within NAME IDEAL_MS RATIO: the import took no longer; prints the figures.
within() {
	awk -v name="$1" -v wall="$(of "$1" ms)" -v ideal="$2" -v most="$3" \
		-v calls="$(stats "$1" .calls)" -v limited="$(stats "$1" .limited)" \
		-v once="$(stats "$1" .concurrency429)" 'BEGIN {
		ratio = wall / ideal
		printf "# %s: %d calls, %d x 429, %d x too many at once, ", \
			name, calls, limited, once
		printf "%.2f s, ideal %.2f s, ratio %.3f\n", \
			wall / 1000, ideal / 1000, ratio
		exit ratio > most
	}'
}
# quick NAME TEST IDEAL_MS RATIO: the figures; the same as a test in a bench.
quick() {
	local figures late=0
	figures=$(within "$1" "$3" "$4") || late=1
	[ -z "${BUDGET_TIMES:-}" ] ||
		is "$2 (at most $4 x $3 ms)" "$late $figures" "0 $figures"
	echo "$figures"
}

# few_windows NAME TEST BUCKET PATTERN LIMIT: no window was left unused, but one
# that the machine slept through.
few_windows() {
	local calls used most
	calls=$(bucket "$1" "$3" calls)
	used=$(jq -s --arg p "$4" '[.[] | select(.path | test($p)) | .reset // empty] |
		unique | length' "$TMP/$1.req")
	most=$(((calls + $5 - 1) / $5 + 1))
	ok "$2: $used windows for $calls calls, at most $most" test \
		"$used" -gt 0 -a "$used" -le $most
}

# ids NAME STREAM: "group:id" of every record that came, for pages of hundreds
# of megabytes: by its text, which a wrong guess would make differ.
ids() {
	grep -F "\"kind\":\"page\"" "$TMP/$1.pages" |
		grep -F "\"stream\":\"$2\"" | awk '{
		n = split($0, part, "\"id\":\"")
		group = ""
		if (match(part[1], /"groupId":"[^"]*"/))
			group = substr(part[1], RSTART + 11, RLENGTH - 12)
		for (i = 2; i <= n; i++)
			if (part[i] ~ /^00[ug]/)
				print group ":" substr(part[i], 1, 20)
	}'
}

# truth NAME STREAM: the same of every record that there is.
truth() {
	case $2 in
	User) sim "$1" users | jq -r '":" + .id' ;;
	Group) sim "$1" groups | jq -r '":" + .id' ;;
	GroupMember) sim "$1" members | jq -r '.groupId + ":" + .userId' ;;
	esac
}

# whole NAME STREAMS: every one came, and none twice.
whole() {
	local stream
	for stream in $2; do
		ids "$1" "$stream" | LC_ALL=C sort >"$TMP/$1.got"
		truth "$1" "$stream" | LC_ALL=C sort >"$TMP/$1.want"
		test -s "$TMP/$1.want" || return 1
		cmp "$TMP/$1.got" "$TMP/$1.want" || return 1
	done
}
