# limits.sh - the torture tests of the budget, for idmesh fetch and for Okta's
# own SDK: the same listings of the same orgs under the same hard limits.
# Sourced by tests/bench/run.
#
# Each client has a fresh org to itself, and the sides take turns.  The ideal
# is the wall time of a client that knows every limit beforehand: windows() of
# tests/budget.sh.  The SDK's time begins when Node.js has loaded it.
# shellcheck shell=bash

# When a client is cut off, in seconds: about twice the ideal, or what shows
# that it is not worth waiting for.
declare -A CUT=([A]=120 [B]=75 [C]=120 [D]=90)

# What an org is like: users, groups, limits.
declare -A ORG=(
	[A]='--users 500 --groups 442 --edges 2500 --window 10 --latency 20
		--limit /api/v1/groups=60 --concurrency 400'
	[B]='--users 500 --groups 222 --edges 1000 --tier unlimited
		--latency 200 --concurrency 35'
	[C]='--users 500 --groups 420 --edges 2500 --window 6 --latency 20
		--limit /api/v1/groups=100 --share 100'
	[D]='--users 50000 --groups 2000 --edges 80000 --tier workforce
		--window 5 --latency 10'
)

# WORLD is a letter of ORG and the requests in flight: A75.
flight() {
	local world=${1%.*}
	echo "${world:1}"
}

text_of() {
	case $1 in
	A*) echo "A: 60 per 10 s, $(flight "$1") in flight" ;;
	B*) echo "B: 35 at once, $(flight "$1") wanted" ;;
	C*) echo 'C: others take 40 of 100 per 6 s' ;;
	D*) echo 'D: Workforce limits, 5 s minutes' ;;
	esac
}

side_text() {
	case $1 in
	fetch) echo 'idmesh fetch' ;;
	sdk) echo "Okta's SDK" ;;
	patient) echo "the SDK, 100 retries" ;;
	esac
}

# From here on NAME is WORLD.SIDE, and what is known of it is $TMP/NAME.*.

# open_org NAME: an org, and the source file of it.
open_org() {
	local options
	read -rd '' -a options <<<"${ORG[${1:0:1}]}" || :
	rm -f "$TMP/$1".*
	ORGSIM_TOKEN=$OKTA_TOKEN "$BUILD/orgsim" "${options[@]}" \
		--port-file "$TMP/$1.port" >"$TMP/$1.org" 2>&1 &
	orgs+=($!)
	until [ -s "$TMP/$1.port" ]; do
		kill -0 "${orgs[-1]}" 2>/dev/null || die "orgsim: $(<"$TMP/$1.org")"
		read -rt 0.05 <> <(:) || :
	done
	[[ $1 != C* ]] || sim "$1" foreign -d '{"bucket": "/api/v1/groups",
		"perMinute": 40, "sameToken": false}' >/dev/null
	jq -n --arg url "http://127.0.0.1:$(of "$1" port)" \
		--argjson k "$(flight "$1")" '{
		connector: "okta", name: "contoso",
		ConfigJson: {OrgDomain: "contoso.okta.com", BaseUrl: $url,
			MaxInFlight: $k, RateLimitShare: 1.0},
		AuthJson: {Mode: "ApiKey",
			ApiKey: "secret://okta/contoso/apitoken"}}' >"$TMP/$1.json"
}

close_orgs() {
	[ ${#orgs[@]} -gt 0 ] || return 0
	kill "${orgs[@]}" 2>/dev/null || :
	wait "${orgs[@]}" 2>/dev/null || :
	orgs=()
}

streams() {
	local users=
	[[ $1 != D* ]] || users='User '
	echo "${users}Group GroupMember"
}

# by_fetch NAME, by_sdk NAME RETRIES: the client runs to its end or is cut.
by_fetch() {
	IMPORT_SECONDS=${CUT[${1:0:1}]} import "$1" \
		--streams "$(streams "$1" | tr ' ' ,)" || :
	[ "$(of "$1" code)" -eq 0 ] || die "$1: $(of "$1" err | tail -n 3)"
	whole "$1" "$(streams "$1")" || die "$1: not everything came"
}

by_sdk() {
	local seconds=${CUT[${1:0:1}]} users=
	[[ $1 != D* ]] || users=users
	timeout -k 5 $((seconds + 30)) node "$NODE/limits.mjs" \
		"http://127.0.0.1:$(of "$1" port)" "$(flight "$1")" "$2" \
		"$seconds" "$TMP/$1.req" $users >"$TMP/$1.out" 2>"$TMP/$1.err" ||
		die "$1: $(of "$1" err | tail -n 5)"
	jq .ms "$TMP/$1.out" >"$TMP/$1.ms"
}

client() {
	case $1 in
	*.fetch) by_fetch "$1" ;;
	*.sdk) by_sdk "$1" default ;;
	*.patient) by_sdk "$1" 100 ;;
	esac
	sim "$1" stats >"$TMP/$1.stats"
}

# at_once NAME...: clients that mostly wait, side by side.
at_once() {
	local name pids=()
	echo "  $(date +%T) $*" >&2
	for name in "$@"; do open_org "$name"; done
	for name in "$@"; do
		client "$name" &
		pids+=($!)
	done
	for name in "${pids[@]}"; do wait "$name" || exit 111; done
	close_orgs
}

succeeded() { stats "$1" '[.endpoints[]."2xx"] | add'; }

# ideal NAME: in ms.
ideal() {
	local path=/api/v1/groups k
	k=$(flight "$1")
	case $1 in
	A*) windows "$1" $path ^$path 60 10 "$k" 20 ;;
	B*) calc "print int(($(succeeded "${1%.*}.fetch") + 34) / 35) * 200" ;;
	C*) windows "$1" $path ^$path 60 6 "$k" 20 ;;
	D*)
		for path in /api/v1/users /api/v1/groups; do
			windows "$1" $path "^$path" "$(bucket "$1" $path limit)" \
				5 "$k" 10
		done | sort -n | tail -n 1
		;;
	esac
}

# came NAME: how many users, groups and memberships.
came() {
	local stream n=()
	if [[ $1 != *.fetch ]]; then
		jq -r '"\(.users) \(.groups) \(.members)"' "$TMP/$1.out"
		return
	fi
	for stream in User Group GroupMember; do
		n+=("$({ ids "$1" $stream || :; } | wc -l)")
	done
	echo "${n[*]}"
}

# through NAME: it was neither cut off nor did it lose a listing.
through() {
	[[ $1 = *.fetch ]] || jq -e '.cut or .lost > 0 | not' "$TMP/$1.out" \
		>/dev/null
}

# same_work NAME: who says that all is done has done what fetch did.
same_work() {
	through "$1" || return 0
	[ "$(came "$1") $(succeeded "$1")" = \
		"$(came "${1%.*}.fetch") $(succeeded "${1%.*}.fetch")" ] ||
		die "$1 did other work than idmesh fetch"
}

# third_window NAME: how many of its calls were counted in it.
third_window() {
	jq -r 'select(.status == 200) | .reset' "$TMP/$1.req" | sort -n |
		uniq -c | awk 'NR == 3 { print $1 }'
}

note() {
	through "$1" || jq -r 'if .cut then "cut off" else empty end,
		if .lost > 0 then "\(.lost) listings lost" else empty end' \
		"$TMP/$1.out" | paste -sd, | sed 's/,/, /'
	[[ $1 != C* ]] ||
		echo "takes $(third_window "$1") where 60 are its part"
}

# No ratio for half of the work.
limits_row() {
	local ms best ratio=-
	ms=$(of "$1" ms)
	best=$(ideal "$1")
	! through "$1" || ratio=$(calc "printf \"%.2f x\", $ms / $best")
	printf '  %-32s %-20s %4d of %-4d %6d %8.1f s %7.1f s %9s  %s\n' \
		"$2" "$(side_text "${1#*.}")" "$(succeeded "$1")" \
		"$(succeeded "${1%.*}.fetch")" \
		"$(stats "$1" '.limited + .concurrency429')" \
		"$(calc "print $ms / 1000")" "$(calc "print $best / 1000")" \
		"$ratio" "$(note "$1")"
}

limits_table() {
	local world side text
	title 'under hard rate limits: every group and its members; D: and' \
		'50,000 users'
	printf '  %-32s %-20s %12s %6s %10s %9s %9s\n' limit client \
		'succeeded  ' 429 wall ideal 'to ideal'
	for world in "${WORLDS[@]}"; do
		text=$(text_of "$world")
		for side in fetch sdk patient; do
			[ -e "$TMP/$world.$side.stats" ] || continue
			same_work "$world.$side"
			limits_row "$world.$side" "$text"
			text=
		done
	done
}

# A copy of the SDK that a test or another benchmark has installed already, or
# one for all of them.
find_sdk() {
	local whole=node_modules/.package-lock.json
	for NODE in "$DIR/node" "$BUILD/sdk"; do
		[ ! -e "$NODE/$whole" ] || break
	done
	if [ ! -e "$NODE/$whole" ]; then
		mkdir -p "$NODE"
		cp tests/sdk/package.json tests/sdk/package-lock.json "$NODE/"
		(cd "$NODE" && npm ci --no-audit --no-fund --ignore-scripts) \
			>"$TMP/npm.log" 2>&1 ||
			die "cannot install Okta's SDK: $(tail -n 5 "$TMP/npm.log")"
	fi
	cp "$HERE/sdk-limits/limits.mjs" "$NODE/"
}

WORLDS=(A1 A10 A75 A300 B60 C10 D8)

# In a subshell: tests/budget.sh has names of its own, and two of them get
# another meaning here.  An org is gone when its numbers are asked for; and
# the work is what idmesh needed, whoever did it.
bench_limits() (
	orgs=()
	trap close_orgs EXIT
	export TMP=$DIR/limits OKTA_TOKEN=$IDMESH_SECRET_OKTA_CONTOSO_APITOKEN
	rm -rf "$TMP"
	mkdir -p "$TMP"
	# shellcheck source=tests/budget.sh
	. tests/budget.sh
	# shellcheck disable=SC2317 # what tests/budget.sh calls
	stats() { jq -r "$2" "$TMP/$1.stats"; }
	# shellcheck disable=SC2317
	bucket() {
		stats "${1%.*}.fetch" ".buckets[] | select(.name == \"$2\") |
			if \"$3\" == \"calls\" then .calls - .limited else .$3 end"
	}
	find_sdk
	at_once {A1,A10,A75,A300,C10}.fetch
	at_once {A1,A10,A75,A300,C10}.{sdk,patient}
	at_once B60.fetch
	at_once B60.{sdk,patient}
	at_once D8.fetch
	at_once D8.sdk
	limits_table
)
