#!/usr/bin/env bash
# run-stop.sh - how a set ends: when asked, in time, when a program keeps
# dying; what it refuses to begin with; and what a killed one leaves behind.
. tests/setup.sh

org sim --users 400 --groups 10 --edges 400 --tier unlimited --latency 100
source_file "$TMP/okta.json"
config() {
	jq -n --arg rules "$ROOT/rules" '{sources: ["okta.json"], $rules,
		state: "state.db", sinks: ["sqlite:mesh.db"], workers: 1} | '"${1:-.}" \
		>"$TMP/run.json"
}
config
# The programs, of which a test may put another in place.
mkdir "$TMP/bin"
cp "$BUILD"/idmesh-run "$TMP/bin/"
ln -s "$BUILD"/idmesh-{fetch,join,transform,sink} "$TMP/bin/"
RUN=$TMP/bin/idmesh-run
logged() { grep -Eq -- "$1" "$TMP/set.log"; }
child_of() { pgrep -P "$(cat "$TMP/set.pid")" -f "idmesh-$1" | head -n 1; }

# --- what is refused ----------------------------------------------------------
refused() {
	config "$2"
	run "$RUN" "$TMP/run.json"
	is "$1 is wrong use" "$status" 100
	like 'and it says so' "$err" "$3"
}
mkdir "$TMP/real"
ln -s real "$TMP/linked"
refused 'a state folder that is not there' '.state = "no/where/state.db"' \
	'run.json: the state file .*no/where/state.db cannot be written: .*make it'
refused 'one target spelled twice' \
	'.sinks = ["sqlite:mesh.db", "sqlite:./mesh.db"]' 'are one file'
refused 'one target through a link' \
	'.sinks = ["ndjson:real/x", "sqlite:linked/x"]' 'are one file'
refused 'a target that is the state' '.sinks = ["sqlite:real/../state.db"]' \
	'is the state file'
# on_disk OPTIONS FOLDER COMMAND...: runs it where that folder is a file system
# with these mount options.
on_disk() {
	# shellcheck disable=SC2016 # expanded by the other shell
	unshare --user --map-root-user --mount bash -c '
		mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 &&
			exec timeout -k 5 30 "$@"' _ "$@"
}
mkdir "$TMP/disk"
disks=$(on_disk size=4k "$TMP/disk" echo yes 2>/dev/null)
[ "$disks" ] || ok 'odd disks # SKIP no file systems of our own here' true
# A disk that went read-only is mended, and a service is to try again.
if [ "$disks" ]; then
	config '.state = "disk/state.db"'
	err=$(on_disk ro "$TMP/disk" "$RUN" "$TMP/run.json" -q 2>&1)
	like 'a read-only disk is a temporary failure' "$?:$err" \
		'^111:.*disk/state.db.*Read-only file system; .*run again'
fi
is 'nothing was written' "$(find "$TMP" -name '*.db*')" ''
run "$RUN" "$TMP/run.json" --stop-within never
is 'a bound that is no time is wrong use' "$status" 100
config

# --- a full folder for the sockets ----------------------------------------------
# full OPTIONS: its exit code where that folder is such a file system, and what
# it left there.
full() {
	# shellcheck disable=SC2016 # expanded by the other shell
	XDG_RUNTIME_DIR=$TMP/disk on_disk "$1" "$TMP/disk" bash -c '
		"$1" "$2" --restarts 0 2>/dev/null
		echo "$?:$(find "$3" -name "idmesh-*")"' \
		_ "$RUN" "$TMP/run.json" "$TMP/disk"
}
if [ "$disks" ]; then
	for room in size=4k nr_inodes=2; do
		is "a folder for sockets with $room" "$(full $room)" 111:
	done
fi

# --- asked to end before it has begun -------------------------------------------
# stand_in NAME: a script from stdin stands where the program idmesh-NAME is.
stand_in() {
	rm "$TMP/bin/idmesh-$1"
	cat >"$TMP/bin/idmesh-$1"
	chmod +x "$TMP/bin/idmesh-$1"
}

# join takes a while before it has a database.
stand_in join <<EOF
#!/usr/bin/env bash
[ "\$1" = runs ] && exec "$BUILD/idmesh-join" "\$@"
: >"$TMP/state.db"
trap 'exit 0' TERM
while :; do read -rt 0.1 <> <(:) || :; done
EOF
start set "$RUN" "$TMP/run.json"
wait_for test -e "$TMP/state.db"
stop set
is 'a run that was stopped did not end' "$status" 111
unlike 'and does not ask a database that is none' "$(cat "$TMP/set.log")" \
	'is no database'
rm -f "$TMP"/state.db* "$TMP/bin/idmesh-join"
ln -s "$BUILD/idmesh-join" "$TMP/bin/"

# --- a program that SIGTERM finds before it listens -------------------------------
stand_in transform <<EOF
#!/bin/sh
[ "\$1" = describe ] && exec "$BUILD/idmesh-transform" "\$@"
: >"$TMP/deaf"
exec sleep 60
EOF
start set "$RUN" "$TMP/run.json" --every 1h
wait_for test -e "$TMP/deaf"
stop set
is 'a schedule that is stopped as it starts ends well' \
	"$status:$(grep 'idmesh-run: error' "$TMP/set.log")" 0:
rm -f "$TMP"/state.db* "$TMP"/mesh.db* "$TMP/bin/idmesh-transform"
ln -s "$BUILD/idmesh-transform" "$TMP/bin/"

# --- drained, in time -----------------------------------------------------------
users() { sqlite3 "$TMP/mesh.db" 'select count(*) from "User"' 2>/dev/null || echo 0; }
read_some() {
	[ "$("$IDMESH" join runs --db "$TMP/state.db" --json |
		jq '.streams.User.records')" -ge 200 ]
}
# The groups take longer than it takes to see that users are there.
slow() {
	curl -sf "$url/_sim/fault" -d "[{\"match\": \"/api/v1/groups\",
		\"kind\": \"slow\", \"ms\": $1}]" >"$TMP/slow"
}
slow 20000
start set "$RUN" "$TMP/run.json" --restarts 3
wait_for read_some
stop set
slow 1
is 'a round that is stopped did not end' "$status" 111
is 'what was committed has arrived' "$(users)" "$("$IDMESH" join dump \
	--db "$TMP/state.db" | jq -s '[.[] | select(.type == "User")] | length')"
like 'and there is a summary of it' "$(cat "$TMP/set.log")" '^  User +full'
unlike 'nothing was started again' "$(cat "$TMP/set.log")" 'starting it again'

start set "$RUN" "$TMP/run.json" --stop-within 2s
wait_for child_of join
hung=$(child_of join)
kill -STOP "$hung"
stop set
is 'a program that hangs is killed' "$status" 111
like 'which is said' "$(cat "$TMP/set.log")" 'join does not end; killing it'
ok 'and it is gone' test ! -e "/proc/$hung"

start set "$RUN" "$TMP/run.json" --every 1h
wait_for child_of join
kill -STOP "$(child_of join)"
kill -TERM "$(cat "$TMP/set.pid")"
wait_for logged 'stopping: '
# A second wish counts a second later.
again() {
	kill -TERM "$(cat "$TMP/set.pid")" 2>/dev/null
	logged 'is not waited for, as asked'
}
ok 'the second SIGTERM does not wait' wait_for again
wait "$(cat "$TMP/set.pid")"
is 'and that is no good end' $? 111

run "$RUN" "$TMP/run.json"
is 'the next run goes on and ends well' "$status" 0

# --- join dies while a sink catches up at the end of a round ----------------------
rm -f "$TMP"/state.db* "$TMP"/mesh.db*
alone() { ! child_of fetch && ! child_of transform; } >/dev/null
join_again() { [ -n "$(child_of join)" ] && [ "$(child_of join)" != "$first" ]; }
start set "$RUN" "$TMP/run.json"
wait_for child_of sink
stands=$(child_of sink)
kill -STOP "$stands"
wait_for child_of fetch
wait_for alone
first=$(child_of join)
kill -KILL "$first"
ok 'a join that dies while it finishes is started again' wait_for join_again
kill -CONT "$stands"
wait "$(cat "$TMP/set.pid")"
is 'and finishes' $? 0
is 'the target has everything' "$(users)" "$("$IDMESH" join dump \
	--db "$TMP/state.db" | jq -s '[.[] | select(.type == "User")] | length')"

# --- what keeps dying -----------------------------------------------------------
stand_in sink <<EOF
#!/bin/sh
[ -e "$TMP/away" ] || exec "$BUILD/idmesh-sink" "\$@"
echo 'idmesh-sink: error: the target is on holiday' >&2
echo 'idmesh-sink: and more is said behind it' >&2
exit 111
EOF
touch "$TMP/away"
run "$RUN" "$TMP/run.json" --restarts 1
is 'it is given up' "$status" 111
like 'with which, how, its last words, and what to do' "$err" \
	"error: sink sqlite:$TMP/mesh.db ended with 111 and was started 2 times; its last words: \"the target is on holiday\"; giving up: mend that"
is 'once, not as often as it was started' "$(grep -c 'giving up' <<<"$err")" 1

# --- a schedule outlives a target that is away ------------------------------------
all_runs() { "$IDMESH" join runs --db "$TMP/state.db" --json; }
n_runs() { all_runs | wc -l; }
rounds() {
	[ "$(all_runs | jq -s '[.[] | select(.state == "done")] | length')" -ge "$1" ]
}
before=$(n_runs)
start set "$RUN" "$TMP/run.json" --every 1s --restarts 1 --json
ok 'the schedule goes on' wait_for rounds $((before + 3))
curl -s -X POST "$url/_sim/mutate" -d '{"create": 7}' >/dev/null
ok 'also with changes' wait_for rounds $((before + 5))
like 'and says why the sink is not there' "$(cat "$TMP/set.log")" \
	'its last words: "the target is on holiday"; the schedule goes on without it'
is 'once' "$(grep -c 'the schedule goes on' "$TMP/set.log")" 1
is 'its rounds are no good ones' "$(jq -s 'map(.exit) | max' "$TMP/set.out")" 111
want=$(curl -s "$url/_sim/users" | grep -vc '"status":"DEPROVISIONED"')
rm "$TMP/away"
arrived() { [ "$(users)" = "$want" ]; }
ok 'what has waited arrives when it is back' wait_for arrived
stop set
is 'and the schedule ends well' "$status" 0

# --- one run a state, through a link too ------------------------------------------
ln -s state.db "$TMP/linked.db"
config '.state = "linked.db" | .sinks = ["sqlite:other.db"]'
mv "$TMP/run.json" "$TMP/linked.json"
config
start set "$RUN" "$TMP/run.json" --every 1h
wait_for logged '^okta:contoso run [0-9]+: done'
run "$RUN" "$TMP/linked.json"
is 'a link to the state of another run is refused' "$status" 111
like 'and it says so' "$err" 'another idmesh run works on'
run "$IDMESH" join --db "$TMP/linked.db" </dev/null
like 'by join too' "$status:$err" '^111:.*is in use by another join'
stop set

# --- full rounds, as join remembers them ------------------------------------------
mode() { all_runs | tail -n 1 | jq -r '.streams.User.mode'; }
for try in 7d:delta 1s:full; do
	start set "$RUN" "$TMP/run.json" --every 1h --full-every "${try%:*}"
	wait_for logged '^okta:contoso run [0-9]+: done'
	stop set
	is "--full-every ${try%:*} after a start: ${try#*:}" "$(mode)" "${try#*:}"
done

run "$RUN" "$TMP/run.json" --full-every 7d
is 'a single round after a full one is none' "$status:$(mode)" 0:delta

# A source that is configured no longer makes no round full.
long_ago() { sqlite3 "$TMP/state.db" "UPDATE run SET started = '2020-01-01T00:00:00.000Z' ${1:-}"; }
source_file "$TMP/former.json" '.name = "former"'
config '.sources = ["former.json"]'
run "$RUN" "$TMP/run.json"
config
long_ago "WHERE source = (SELECT pk FROM source WHERE name = 'okta:former')"
start set "$RUN" "$TMP/run.json" --every 1h --full-every 7d
wait_for logged '^okta:contoso run [0-9]+: done'
stop set
is 'the last full round of a source that was taken out does not count' "$(mode)" delta
# The newest run was to be full and was not: of single rounds not each tries again.
for try in '1 hour:delta' '22 hours:full'; do
	long_ago
	sqlite3 "$TMP/state.db" "UPDATE run SET asked = 'full',
		started = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-${try%:*}')
		WHERE pk = (SELECT max(pk) FROM run)"
	run "$RUN" "$TMP/run.json" --full-every 7d
	is "a full round that was tried ${try%:*} ago: ${try#*:}" "$(mode)" "${try#*:}"
done
long_ago
run "$RUN" "$TMP/run.json" --full-every 7d
is 'a single round long after a full one is full' "$(mode)" full
long_ago
# The first round, which is a full one, cannot be fetched.
stand_in fetch <<EOF
#!/bin/sh
[ -e "$TMP/failed" ] && exec "$BUILD/idmesh-fetch" "\$@"
: >"$TMP/failed"
exit 111
EOF
start set "$RUN" "$TMP/run.json" --every 1s --full-every 8s --restarts 0
wait_for logged '^okta:contoso run [0-9]+: done'
stop set
is 'a full round that failed is made again' "$(sed -n 's/^  User  *\([a-z]*\) .*/\1/p' \
	"$TMP/set.log" | head -n 1)" full
rm "$TMP/bin/idmesh-fetch"
ln -s "$BUILD/idmesh-fetch" "$TMP/bin/"

# --- a line that does not end -------------------------------------------------------
stand_in sink <<EOF
#!/bin/sh
head -c 20000000 /dev/zero | tr '\\0' x >&2
exec "$BUILD/idmesh-sink" "\$@"
EOF
run "$RUN" "$TMP/run.json"
is 'a program that writes no line ends is borne' "$status" 0
is 'and cut short' "$(awk '{ n = length > n ? length : n } END { print n }' \
	"$TMP/run.err"):$(grep -c '^xxx.* \.\.\. (cut here)$' "$TMP/run.err")" \
	"$((65536 + 15)):1"
stand_in sink <<EOF
#!/bin/sh
printf 'half a line' >&2
exit 111
EOF
run "$RUN" "$TMP/run.json" --restarts 1
is 'a half line that a program died in is a line' \
	"$(grep -c '^half a line$' "$TMP/run.err")" 2
stand_in sink <<EOF
#!/bin/sh
: >"$TMP/flood"
exec yes 'and another thing' >&2
EOF
# Who never stops to speak must not keep run from anything else.
start set bash -c 'exec "$@" 2>/dev/null' _ "$RUN" "$TMP/run.json" --every 1h
wait_for test -e "$TMP/flood"
kill -TERM "$(cat "$TMP/set.pid")"
ended() { ! kill -0 "$(cat "$TMP/set.pid")" 2>/dev/null; }
ok 'a program that speaks without end holds nothing up' wait_for ended
kill -KILL "$(cat "$TMP/set.pid")" 2>/dev/null
wait "$(cat "$TMP/set.pid")" 2>/dev/null
rm "$TMP/bin/idmesh-sink"
ln -s "$BUILD/idmesh-sink" "$TMP/bin/"

# --- what a killed one leaves ------------------------------------------------------
folders() {
	find "$TMP" -maxdepth 1 -type d -name 'idmesh-??????' -printf '%f\n' |
		sort | paste -sd ' '
}
start set "$RUN" "$TMP/run.json" --every 1h
wait_for logged '^okta:contoso run [0-9]+: done'
kill -KILL "$(cat "$TMP/set.pid")"
wait "$(cat "$TMP/set.pid")" 2>/dev/null
like 'a killed run leaves its folder' "$(folders)" '^idmesh-......$'
mkdir -m 700 "$TMP/idmesh-nolock" "$TMP/idmesh-in_use"
mkdir -m 755 "$TMP/idmesh-theirs"
touch "$TMP/idmesh-in_use/run.lock" "$TMP/idmesh-theirs/run.lock"
exec 7<"$TMP/idmesh-in_use/run.lock"
flock -x 7
free() { flock -n "$TMP/state.db.lock" true; }
wait_for free
run "$RUN" "$TMP/run.json"
is 'the next one ends well' "$status" 0
is 'and takes it away, but none that may be of another' "$(folders)" \
	'idmesh-in_use idmesh-nolock idmesh-theirs'

done_testing
