# setup.sh - what every shell test begins with: `. tests/setup.sh`.
#
# A test runs from the root of the tree with $BUILD set, prints TAP, works in
# its own folder $TMP, binds to loopback only and stops only what it started.
# Functions: ok, is, like, unlike, run, start, stop, wait_for, org,
# source_file, pipeline, done_testing.
# shellcheck shell=bash
set -uo pipefail

ROOT=$(pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
IDMESH=$BUILD/idmesh
TMP=$(mktemp -d "${TMPDIR:-/tmp}/idmesh-test.XXXXXX")
export ROOT BUILD IDMESH TMP
export IDMESH_RULES=${IDMESH_RULES:-$ROOT/rules}
export XDG_RUNTIME_DIR=$TMP
export NO_COLOR=1
unset CREDENTIALS_DIRECTORY IDMESH_SECRETS_DIR

TOKEN=00testTokenThatMustNeverShow42
export IDMESH_SECRET_OKTA_CONTOSO_APITOKEN=$TOKEN

tests=0
failed=0
started=()

cleanup() {
	local pid
	for pid in ${started[@]+"${started[@]}"}; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	if [ "$failed" -eq 0 ] && [ -z "${KEEP:-}" ]; then
		rm -rf "$TMP"
	else
		echo "# kept: $TMP"
	fi
}
trap cleanup EXIT
trap 'exit 1' TERM INT

# ok NAME COMMAND...: the command succeeds.
ok() {
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$TMP/ok.out" 2>&1; then
		echo "ok $tests - $name"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $name"
		echo "# failed: $*"
		sed 's/^/# /' "$TMP/ok.out" | head -n 20
	fi
}

# is NAME GOT WANT: two texts are the same.
is() {
	tests=$((tests + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $tests - $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $1"
		printf '%s\n' "got:  $2" "want: $3" | sed 's/^/# /' | head -n 40
	fi
}

# like NAME TEXT REGEX: the text contains it (grep -E).
like() {
	tests=$((tests + 1))
	if grep -Eq -- "$3" <<<"$2"; then
		echo "ok $tests - $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $1"
		printf '%s\n' "got:  $2" "want: /$3/" | sed 's/^/# /' | head -n 40
	fi
}

# unlike NAME TEXT REGEX: the text does not contain it.
unlike() {
	tests=$((tests + 1))
	if grep -Eq -- "$3" <<<"$2"; then
		failed=$((failed + 1))
		echo "not ok $tests - $1"
		printf '%s\n' "found: /$3/" | sed 's/^/# /'
	else
		echo "ok $tests - $1"
	fi
}

# run COMMAND...: sets $out, $err and $status; bounded in time.
run() {
	timeout -k 5 "${RUN_SECONDS:-60}" "$@" >"$TMP/run.out" 2>"$TMP/run.err"
	status=$?
	out=$(cat "$TMP/run.out")
	err=$(cat "$TMP/run.err")
}

# start NAME COMMAND...: runs it in the background, with its output appended
# to $TMP/NAME.out and $TMP/NAME.log, so that a test may empty them; its pid
# is in $pid and in $TMP/NAME.pid.
start() {
	local name=$1
	shift
	: >"$TMP/$name.out"
	: >"$TMP/$name.log"
	"$@" >>"$TMP/$name.out" 2>>"$TMP/$name.log" &
	pid=$!
	started+=("$pid")
	echo "$pid" >"$TMP/$name.pid"
}

# stop NAME [SIGNAL]: ends what start began; its exit code is in $status.
stop() {
	local pid
	pid=$(cat "$TMP/$1.pid")
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	status=$?
}

# wait_for COMMAND...: until it succeeds, at most 30 s.
wait_for() {
	local end=$((SECONDS + ${WAIT_SECONDS:-30}))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <> <(:) || :
	done
}

# org NAME OPTIONS...: starts a simulated org; its address is in $url.
org() {
	local name=$1
	shift
	rm -f "$TMP/$name.port"
	start "$name" "$BUILD/orgsim" --port 0 --port-file "$TMP/$name.port" \
		--token "$TOKEN" "$@"
	wait_for test -s "$TMP/$name.port" || {
		echo 'Bail out! no orgsim'
		exit 1
	}
	url=http://127.0.0.1:$(cat "$TMP/$name.port")
}

# source_file FILE [JQ]: a source of the org at $url, changed by a jq filter.
source_file() {
	jq -n --arg url "$url" '{connector: "okta", name: "contoso",
		ConfigJson: {OrgDomain: "contoso.okta.com", BaseUrl: $url},
		AuthJson: {Mode: "ApiKey",
			ApiKey: "secret://okta/contoso/apitoken"}} | '"${2:-.}" >"$1"
}

# pipeline SOURCE DB TARGET [MODE]: one run through real pipes.
pipeline() {
	"$IDMESH" fetch "$1" \
		--resume <("$IDMESH" join begin --db "$2" okta:contoso \
			--mode "${4:-auto}") 2>"$TMP/fetch.log" |
		"$IDMESH" transform -j "${WORKERS:-1}" 2>"$TMP/transform.log" |
		"$IDMESH" join --db "$2" --after "$("$IDMESH" sink cursor "$3")" \
			2>"$TMP/join.log" |
		"$IDMESH" sink "$3" 2>"$TMP/sink.log"
	pipe_status="${PIPESTATUS[*]}"
}

done_testing() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}
