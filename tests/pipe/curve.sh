#!/usr/bin/env bash
# curve.sh - tcp:// between hosts, on loopback: keys, who may say what, and
# that whoever misbehaves is dropped, counted, named, and harms nobody.
. tests/setup.sh
. tests/ports.sh
. tests/steps.sh

keys=$TMP/keys
peers=$TMP/peers
mkdir -m 0755 "$keys" "$peers"

# keygen NAME [ROLE]: a key, known to the others when it has a role.
keygen() {
	"$IDMESH" keygen "$keys/$1" >"$TMP/$1.shown" || return
	[ $# -lt 2 ] || { mkdir -p "$peers/$2" &&
		cp "$keys/$1.pub" "$peers/$2/$1.pub"; }
}
# with NAME: the options of the one who has this key.
with() { printf '%s\n' --key "$keys/$1" --peers "$peers"; }
said() { grep -Eq -- "$2" "$TMP/$1.log"; }
secret_of() { cat "$keys/$1"; }

# --- keys ------------------------------------------------------------------
keygen near join
is 'a key pair: the secret half is for its owner alone' \
	"$(stat -c %a "$keys/near" "$keys/near.pub" | xargs)" '600 644'
is 'each is a line of 40 characters' "$(wc -lc <"$keys/near" | xargs),$(wc -lc \
	<"$keys/near.pub" | xargs)" '1 41,1 41'
is 'the public half is shown' "$(cat "$TMP/near.shown")" \
	"$(cat "$keys/near.pub")"
before=$(secret_of near)
run "$IDMESH" keygen "$keys/near"
is 'a key is never replaced' "$status:$(secret_of near)" "100:$before"
like 'that is said' "$err" 'is there already'
rm "$keys/near"
run "$IDMESH" keygen "$keys/near"
is 'nor is half of one' "$status:$(ls "$keys")" '100:near.pub'
run "$IDMESH" keygen "$TMP/nowhere/key"
like 'a folder that is not there is named' "$status:$err" '^100:.*nowhere/key'
rm "$keys/near.pub" "$peers/join/near.pub"
# Each step of writing them, on a full disk and on a broken one.
bad='' n=0
for how in ENOSPC EIO; do
	for step in $(seq 20); do
		rm -f "$TMP/steps"
		spoiled '*/keys/spare*:*/keys' $how "$step" "$BUILD/idmesh-keygen" \
			"$keys/spare" >/dev/null 2>"$TMP/spare.err"
		code=$?
		left=$(cd "$keys" && echo spare*)
		rm -f "$keys"/spare*
		fired || break
		n=$((n + 1))
		grep -q unlink < <(where) && continue
		case $code:$left:$(cat "$TMP/spare.err") in
		111:'spare*':*"/spare"*'make room'*) ;;
		*) bad+="$(where): $code $left $(cat "$TMP/spare.err")" ;;
		esac
	done
done
is 'a full disk is a temporary failure that leaves no key' "$bad" ''
ok 'there were faults' test $n -ge 8

for role in fetch transform join sink; do keygen $role $role; done
keygen stranger
keygen other transform

# --- no key, no way out ------------------------------------------------------
org sim --users 1500 --groups 60 --edges 6000 --tier unlimited --seed 7
source_file "$TMP/okta.json"
far=tcp://192.0.2.1:7000
any='tcp://*:7000'
refused() { # NAME COMMAND...
	local name=$1
	shift
	run "$@"
	like "$name is refused without keys" "$status:$err" \
		'^100:.*needs keys.*keygen.*--key and --peers'
}
here=ipc://$TMP/here
refused 'fetch: jobs' "$IDMESH" fetch "$TMP/okta.json" --jobs "$any" --commit "$here"
refused 'fetch: join' "$IDMESH" fetch "$TMP/okta.json" --jobs "$here" --commit $far
refused 'transform: jobs' "$IDMESH" transform --jobs $far --commit "$here"
refused 'transform: join' "$IDMESH" transform --jobs "$here" --commit $far
refused 'join: commit' "$IDMESH" join --db "$TMP/no.db" --commit "$any"
refused 'join: sink' "$IDMESH" join --db "$TMP/no.db" --commit "$here" --to $far
refused 'sink' "$IDMESH" sink "sqlite:$TMP/no-mesh.db" --commit "$any"

# Keys for pipes are a mistake.
pipes() { # STAGE OPERAND...
	run "$IDMESH" "$@" --key "$keys/join" --peers "$peers" </dev/null
	like "$1: a pipe has no keys" "$status:$err" '^100:.*--key and --peers are for'
}
pipes fetch "$TMP/okta.json"
pipes transform
pipes join --db "$TMP/no.db"
pipes sink "sqlite:$TMP/no-mesh.db"

# A sink that is told what it needs to know, but wrongly.
wrong() { # NAME REGEX OPTION...
	local name=$1 regex=$2
	shift 2
	run "$IDMESH" sink "sqlite:$TMP/no-mesh.db" --commit "$any" "$@"
	like "$name" "$status:$err" "^100:.*$regex"
}
wrong 'a key needs peers' 'go together' --key "$keys/sink"
wrong 'peers need a key' 'go together' --peers "$peers"
wrong 'a key that is not there' 'no such file' --key "$keys/no" --peers "$peers"
wrong 'peers that are not there' 'No such file' --key "$keys/sink" --peers "$TMP/no"
wrong 'a public key is no secret one' 'others may use|no secret key' \
	--key "$keys/sink.pub" --peers "$peers"
cp "$keys/sink" "$keys/open" && chmod 640 "$keys/open"
wrong 'a key that others may read' 'others may use this file' \
	--key "$keys/open" --peers "$peers"
echo 'of nothing' >"$keys/short" && chmod 600 "$keys/short"
wrong 'a file without a key' 'space|no secret key' --key "$keys/short" --peers "$peers"
run "$IDMESH" join --db "$TMP/no.db" --commit "$here" --to $far --key "$keys/join" \
	--peers "$keys"
like 'the key of a peer is missing' "$status:$err" '^100:.*no key in .*/sink'
mkdir "$TMP/two" && cp -r "$peers/join" "$TMP/two/fetch" &&
	cp -r "$peers/transform" "$TMP/two/join"
run "$IDMESH" transform --jobs $far --commit $far --key "$keys/transform" \
	--peers "$TMP/two"
like 'which of two keys is asked' "$status:$err" \
	'^100:.*join holds 2 keys; name the right one 192.0.2.1:7000.pub'

# --- the flow with keys ------------------------------------------------------
jobs=tcp://127.0.0.1:$(free_port)
commit_port=$(free_port)
commit=tcp://127.0.0.1:$commit_port
mesh=tcp://127.0.0.1:$(free_port)
# shellcheck disable=SC2046 # the options are words
{
	start_sink() {
		start sink "$IDMESH" sink "sqlite:$TMP/$1-mesh.db" --commit "$mesh" \
			$(with sink)
	}
	start_join() {
		start join "$IDMESH" join --db "$TMP/$1.db" --commit "$commit" \
			--to "$mesh" $(with join)
	}
	start_transform() {
		start "$1" "$IDMESH" transform --jobs "$jobs" --commit "$commit" \
			-j "${3:-1}" $(with "${2:-transform}")
	}
	start_fetch() {
		start fetch "$IDMESH" fetch "$TMP/okta.json" --jobs "$jobs" \
			--commit "$commit" $(with fetch) "$@"
	}
}
gone() { ! kill -0 "$(cat "$TMP/$1.pid")"; }
dump() { "$IDMESH" join dump --db "$1" | jq -cS . | LC_ALL=C sort; }
target() { sqlite3 "$1" 'select json(object) from mesh_User union all
	select json(object) from mesh_Group union all
	select json(object) from mesh_GroupMember' | LC_ALL=C sort; }
same() { # NAME
	dump "$TMP/$1.db" | cmp - "$TMP/calm" &&
		target "$TMP/$1-mesh.db" | cmp - "$TMP/calm-rows"
}
pipeline "$TMP/okta.json" "$TMP/calm.db" "sqlite:$TMP/calm-mesh.db"
dump "$TMP/calm.db" >"$TMP/calm"
target "$TMP/calm-mesh.db" >"$TMP/calm-rows"
ok 'there is something to compare' test "$(wc -l <"$TMP/calm-rows")" -gt 5000

start_sink plain
start_join plain
start_transform transform
start_transform other other 2
start_fetch
wait_for gone fetch
stop fetch
is 'an import with keys on every wire ends well' "$status" 0
for name in transform other join sink; do stop $name; done
ok 'its result is that of a pipe' same plain
unlike 'nothing was dropped' "$(cat "$TMP"/{fetch,join,sink,transform}.log)" \
	'dropped|turned away|came to nothing'

# --- and with those who do not belong there ----------------------------------
v1='"v":1,"kind"'
src='"source":"okta:contoso","stream":"User","run":1,"epoch":1'
printf 'no JSON at all' >"$TMP/f.json"
printf '{%s:"be\0at"}' "$v1" >"$TMP/f.nul"
printf '{%s:"beat","instance":"\377\376"}' "$v1" >"$TMP/f.utf8"
printf '{"v":2,"kind":"beat","instance":"x"}' >"$TMP/f.version"
printf '{%s:"gossip"}' "$v1" >"$TMP/f.kind"
printf '{%s:"records",%s,"seq":"one","records":[]}' "$v1" "$src" >"$TMP/f.type"
printf '{%s:"records",%s}' "$v1" "$src" >"$TMP/f.field"
: >"$TMP/f.empty"
printf '{%s:"hello","role":"fetch","source":"okta:contoso","mode":"full",%s}' "$v1" \
	'"instance":"evil:1:1","streams":["User"]' >"$TMP/f.hello"
printf '{%s:"end",%s,"seq":1,"complete":true}' "$v1" "$src" >"$TMP/f.end"
printf '{%s:"records",%s,"seq":1,"n":0,"records":[]}' "$v1" "$src" >"$TMP/f.records"
bad=()
for kind in json nul utf8 version kind type field empty; do bad+=("file:$TMP/f.$kind"); done

start_sink rude
start_join rude
# Its pages wait for transforms until all of this has happened.
start_fetch
wait_for said fetch api/v1/users

run timeout 20 "$BUILD/tools/rude" "$commit" "$keys/other" "$peers" join \
	"${bad[@]}" large parts "file:$TMP/f.hello" "file:$TMP/f.end"
is 'a transform says what it may not, and worse' "$status:$err" '0:'
ok 'join names it' wait_for said join \
	'a message of transform/other at 127.0.0.1 was dropped: '
run timeout 20 "$BUILD/tools/rude" "$commit" "$keys/fetch" "$peers" join \
	"file:$TMP/f.records"
ok 'a fetch may not send records' wait_for said join \
	'fetch/fetch at 127.0.0.1 was dropped: fetch may not send "records" here'
run timeout 20 "$BUILD/tools/rude" "$jobs" "$keys/transform" "$peers" fetch \
	"file:$TMP/f.hello" "file:$TMP/f.json"
ok 'a transform may not say hello to fetch' wait_for said fetch \
	'transform/transform at 127.0.0.1 was dropped: transform may not send "hello" here'

# Who has no key that is known.
start stranger "$BUILD/tools/rude" "$commit" "$keys/stranger" "$peers" join \
	"file:$TMP/f.hello"
ok 'a key that nobody knows is turned away, and shown' wait_for said join \
	"127.0.0.1 was turned away: .*$(sed 's/[^A-Za-z0-9]/./g' "$keys/stranger.pub")"
ok 'the other side is told, too' wait_for said stranger 'turns our key away'
start fetchkey "$BUILD/tools/rude" "$mesh" "$keys/fetch" "$peers" sink \
	"file:$TMP/f.hello"
ok 'nor may a fetch speak to a sink at all' wait_for said sink 'turned away'
start keyless "$BUILD/tools/rude" "$commit" - - join "file:$TMP/f.hello"
ok 'who has no key comes to nothing' wait_for said join \
	'from 127.0.0.1 came to nothing'
ok 'and hears why' wait_for said keyless 'wants a key'
# garbage PORT FORMAT: these bytes as somebody's first; it may be cut at once.
garbage() { (printf "$2" >"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
for bytes in 'GET / HTTP/1.1\r\n\r\n' '\0\0\0\0\0\0\0\0\0\0\0\0' \
	'\377\0\0\0\0\0\0\0\1\177\3\0NULL\0' '\377\377\377\377\377\377\377\377\377\377'; do
	garbage "$commit_port" "$bytes"
done
start_transform transform
start_transform other other
start huge "$BUILD/tools/rude" "$commit" "$keys/other" "$peers" join huge
WAIT_SECONDS=90 wait_for gone fetch
stop fetch
is 'the run beside it all ends well' "$status" 0
for name in stranger fetchkey keyless huge; do stop $name KILL; done

# A key that is made known while both sides run.
cp "$keys/stranger.pub" "$peers/transform/stranger.pub"
start late "$BUILD/tools/rude" "$commit" "$keys/stranger" "$peers" join \
	"file:$TMP/f.hello"
ok 'a key that is added counts at once' wait_for said join 'transform/stranger'
rm "$peers/transform/stranger.pub"
start later "$BUILD/tools/rude" "$commit" "$keys/stranger" "$peers" join \
	"file:$TMP/f.json"
ok 'one that is taken away does not' wait_for said later 'turns our key away'
cp "$keys/stranger.pub" "$peers/transform/stranger.pub"
ok 'who was turned away tries again by itself' wait_for gone later

for name in transform other join sink; do stop $name; done
ok 'the result is the same' same rude
join_log=$(cat "$TMP/join.log")
like 'join counts what it dropped' "$join_log" \
	'frames dropped: 1[0-9],'
like 'and the connections' "$join_log" \
	'[1-9][0-9]* turned away for their key, ([5-9]|[1-9][0-9]+) that came'
is 'a sender is named once' \
	"$(grep -c 'a message of transform/other' <<<"$join_log")" 1

# --- who is turned away from everywhere, or knows a wrong key ----------------
rm "$peers/transform"/*.pub
cp -r "$peers" "$TMP/wrong" && cp "$keys/other.pub" "$TMP/wrong/join/join.pub"
start_sink again
start_join again
start_fetch
start_transform late stranger
both() { [ "$(grep -c "$2" "$TMP/$1.log")" -eq 2 ]; }
ok 'a transform is turned away by fetch and join' wait_for both late 'turns our key away'
start astray "$IDMESH" transform --jobs "$jobs" --commit "$commit" \
	--key "$keys/other" --peers "$TMP/wrong"
ok 'one that knows a wrong key says so' wait_for said astray \
	"$commit: who listens there has not the key that $TMP/wrong holds"
cp "$keys/stranger.pub" "$peers/transform/late.pub"
WAIT_SECONDS=90 wait_for gone fetch
stop fetch
is 'once its key is known it does all the work' "$status" 0
for name in late astray join sink; do stop $name; done
ok 'with the same result' same again
ok 'no secret key is in any log or argument' bash -c "! grep -qFf <(cat \
	'$keys'/{fetch,transform,join,sink,stranger,other}) '$TMP'/*.log '$TMP'/*.out"

done_testing
