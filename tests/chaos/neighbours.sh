#!/usr/bin/env bash
# neighbours.sh - in a pipe the stage before or behind dies by SIGKILL: the
# others end by themselves, with 111 and a word that says what happened, and
# the next run with --resume and --after goes on to the same mesh.
. tests/setup.sh
. tests/wire.sh

# The four stages, each in the background, between named pipes.
flow() {
	local p
	for p in pages records changes; do
		rm -f "$TMP/$p"
		mkfifo "$TMP/$p"
	done
	"$BUILD/idmesh-join" begin --db "$db" okta:contoso --mode full \
		>"$TMP/begun"
	after=$("$BUILD/idmesh-sink" cursor "$target")
	start sink reading changes "$BUILD/idmesh-sink" "$target"
	start join between records changes "$BUILD/idmesh-join" --db "$db" \
		--after "$after"
	start transform between pages records "$BUILD/idmesh-transform" -j "$1"
	start fetch writing pages "$BUILD/idmesh-fetch" "$TMP/okta.json" \
		--resume "$TMP/begun" --request-log "$TMP/req"
}
reading() { exec "${@:2}" <"$TMP/$1"; }
between() { exec "${@:3}" <"$TMP/$1" >"$TMP/$2"; }
writing() { exec "${@:2}" >"$TMP/$1"; }

org okta --users 4000 --groups 400 --edges 12000 --tier unlimited \
	--latency 150
source_file "$TMP/okta.json"
calm

# --- no neighbour at all: a descriptor that is closed is no other file
said_bad() {
	grep -Eq 'cannot (read|write).*: Bad file descriptor' <<<"$err" &&
		echo yes
}
for stage in transform 'transform -j 3' "join --db $TMP/no.db" \
	"sink ndjson:$TMP/no"; do
	RUN_SECONDS=20 run bash -c "exec '$BUILD'/idmesh-$stage <&-"
	is "${stage%% *} without stdin says so" "$status:$(said_bad)" 111:yes
done
"$BUILD/idmesh-fetch" -q -s Group "$TMP/okta.json" >"$TMP/some" 2>/dev/null
for stage in "fetch $TMP/okta.json" transform 'transform -j 3'; do
	RUN_SECONDS=20 run bash -c \
		"exec '$BUILD'/idmesh-$stage <'$TMP/some' >&-"
	is "${stage%% *} without stdout says so" "$status:$(said_bad)" 111:yes
done

# The end of each stage when this one was killed: a stage behind a clean end
# of a line cannot know more than that, so that join tells it.
declare -A ends=(
	[fetch]='transform:0|111 join:111 sink:0'
	[transform]='fetch:111 join:111 sink:0'
	[join]='fetch:111 transform:111 sink:0|111'
	[sink]='fetch:111 transform:111 join:111'
)
gone_word='next stage is gone'
upstream_word='did not end|middle of a line'
declare -A words=(
	[fetch]="join $upstream_word"
	[transform]="fetch $gone_word
join $upstream_word"
	[join]="transform $gone_word"
	[sink]="join $gone_word"
)
for victim in fetch transform join sink; do
	: >"$TMP/req"
	flow 2
	wait_for requests 25
	stop $victim KILL
	wrong=
	for end in ${ends[$victim]}; do
		ended "${end%%:*}"
		[[ $status =~ ^(${end#*:})$ ]] || wrong+=" ${end%%:*}:$status"
	done
	is "$victim is killed: the others end by themselves" "$wrong" ''
	while read -r name text; do
		ok "$victim is killed: $name says what happened" \
			said "$name" "$text"
	done <<<"${words[$victim]}"
	unlike "$victim is killed: nobody speaks of signals" \
		"$(cat "$TMP"/{fetch,transform,join,sink}.log)" 'SIGPIPE|signal 13'
done
flow 2
for name in fetch transform join sink; do
	ended $name
	is "and then it ends: $name" "$status" 0
done
same 'after all that'
same_target 'after all that'
done_testing
