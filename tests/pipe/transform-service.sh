#!/usr/bin/env bash
# transform-service.sh - transform on ZeroMQ: shares pages out by credit,
# holds what join does not take, and may be killed at any time.
. tests/setup.sh

mkdir "$TMP/rules"
cat >"$TMP/rules/okta.lua" <<'LUA'
map "okta.User" {
  ExternalId = "id",
  login      = "profile.login",
  shout      = function(u)
    while u.profile.login == "poison@example.com" do end
    return u.profile.login .. "!"
  end,
}
LUA
export IDMESH_RULES=$TMP/rules
transform=$BUILD/idmesh-transform
jobs=ipc://$TMP/jobs
commit=ipc://$TMP/commit

# pages NAME FIRST LAST [JQ]
pages() {
	jq -nc --argjson first "$2" --argjson last "$3" '
		range($first; $last + 1) as $seq | {v: 1, kind: "page",
		source: "okta:contoso", stream: "User", run: 1, epoch: 1,
		seq: $seq, n: 50, try: 1, isolate: false, mode: "full",
		at: "2026-04-22T08:15:30.000Z", state: {after: "c\($seq)"},
		records: [range(50) | {id: "00u\($seq)x\(.)", status: "ACTIVE",
			profile: {login: "u\(.)@example.com"}}]}
		| '"${4:-.}" >"$TMP/$1"
	[ "$1" = poison ] || [ "$1" = slow ] ||
		"$transform" <"$TMP/$1" 2>"$TMP/want.log" | sort >"$TMP/$1.want"
}
# desk NAME PAGES [JOBS [late]]: plays fetch and join until all came back.
desk() { start "$1" play "$TMP/$2" "${3:-$jobs}" "$commit" ${4:+"$4"}; }
play() {
	local in=$1
	shift
	exec "$BUILD/tools/jobs" "$@" <"$in"
}
ended() { wait_for test ! -e "/proc/$(cat "$TMP/$1.pid")"; }
# done_desk NAME PAGES: it has all of them, each as from a pipe.
done_desk() {
	ended "$1"
	stop "$1"
	is "$1: every page came back" "$status" 0
	ok "$1: as from a pipe" cmp "$TMP/$2.want" <(sort "$TMP/$1.out")
}
said() { grep -q "$1" "$TMP/$2.log"; }

pages many 1 60
start t "$transform" --jobs "$jobs" --commit "$commit"
desk first many
done_desk first many
# The same worker, another fetch: its count of pages starts over there.
desk again many
done_desk again many
stop t
is 'SIGTERM: exit' "$status" 0
like 'SIGTERM: counted' "$(cat "$TMP/t.log")" '120 pages, 6000 records, 0 rejected'

for j in 1 2; do
	start t "$transform" -j $j --jobs "$jobs" --commit "$commit"
	# SIGTERM is among the blocked ones before the rules are loaded.
	ok "-j $j: it has come up" wait_for grep -Eq '^SigBlk:.*4..[23]$' "/proc/$pid/status"
	stop t
	is "-j $j: SIGTERM at once" "$status" 0
done

# --- join comes late: the worker holds its page and takes no more
start t "$transform" --jobs "$jobs" --commit "$commit"
desk late many "$jobs" late
done_desk late many
stop t

# --- SIGTERM while a page is held
desk polite many "$jobs" late
start t "$transform" --jobs "$jobs" --commit "ipc://$TMP/nobody"
wait_for said '^ready' polite
stop t
is 'a page that nobody takes: exit' "$status" 0
ok 'a page that nobody takes: fetch hears a bye' wait_for said '^bye' polite
ok 'a page that nobody takes: it is said' said 'left to others' t

# --- and while nobody takes it, that is said
desk patient many "$jobs.4" late
start t "$transform" --jobs "$jobs.4" --commit "ipc://$TMP/nobody"
ok 'a page that nobody takes: where it waits for join' \
	wait_for said "waiting for join at ipc://$TMP/nobody" t
stop t
stop patient

# The desk goes on with another worker, at the endpoint where join is.
start t "$transform" --jobs "$jobs" --commit "$commit"
done_desk polite many
stop t

# --- two fetches, one worker
start t "$transform" --jobs "$jobs" --jobs "ipc://$TMP/jobs2" --commit "$commit"
desk left many "$jobs"
done_desk left many
desk right many "ipc://$TMP/jobs2"
done_desk right many
stop t
is 'two fetches: both were served' "$(grep -c '120 pages' "$TMP/t.log")" 1

# --- several workers, and one is killed
pages long 1 300
start t "$transform" -j 3 --jobs "$jobs" --commit "$commit"
children() { pgrep -P "$(cat "$TMP/t.pid")"; }
three() { [ "$(children | wc -l)" -eq 3 ]; }
ok '-j 3: three workers' wait_for three
desk killed long "$jobs"
some() { [ "$(wc -l <"$TMP/killed.out")" -ge 5 ]; }
wait_for some
kill -KILL "$(children | head -n 1)"
done_desk killed long
ok '-j 3: it is started again' wait_for three
ok '-j 3: and that is said' said 'started again' t
stop t
is '-j 3: exit' "$status" 0
is '-j 3: no worker is left' "$(children | wc -l)" 0

# --- a page in isolation; the process of one record dies
pages poison 1 4 'if .seq == 2 then
	.isolate = true | .records[3].profile.login = "poison@example.com"
	else . end'
start t "$transform" --jobs "$jobs" --commit "$commit"
desk isolated poison "$jobs"
# The one that loops stays for as long as rules may; the others are quick.
loops() {
	victim=$(children)
	[ -n "$victim" ] && read -rt 0.1 <> <(:)
	[ -n "$victim" ] && [ "$victim" = "$(children)" ]
}
ok 'isolated: a process for a record' wait_for loops
kill -KILL "$victim"
ended isolated
stop isolated
is 'isolated: every page came back' "$status" 0
page=$(grep '"seq":2,' "$TMP/isolated.out")
is 'isolated: the others are mapped' "$(jq '.records | length' <<<"$page")" 49
is 'isolated: the one is a dead letter' "$(jq -c '[.bad[] | [.index, .id, .code, .raw.profile.login]]' <<<"$page")" \
	'[[3,"00u2x3","E_POISON","poison@example.com"]]'
like 'isolated: with how it ended' "$(jq -r '.bad[0].message' <<<"$page")" 'signal 9'

# A record that loops until its deadline: longer than fetch waits for a word
# of a worker, whether a process of its own maps it or the worker itself.
for isolate in true false; do
	pages slow 1 1 ".isolate = $isolate |
		.records[3].profile.login = \"poison@example.com\""
	desk alive slow "$jobs"
	ended alive
	stop alive
	is "a long page, isolate $isolate: it came back" "$status" 0
	unlike "a long page, isolate $isolate: its worker was never silent" \
		"$(cat "$TMP/alive.log")" '^silent'
	# In the worker itself the function rests until the end of the page.
	stopped=1
	[ "$isolate" = true ] || stopped=47
	is "a long page, isolate $isolate: what was stopped" \
		"$(jq -c '[.records[] | select(.errors) | .id] | [.[0], length]' \
			"$TMP/alive.out")" "[\"00u1x3\",$stopped]"
done
ok 'a long page: the function is named, with what it was stopped on' \
	said 'okta\.lua:[0-9]* okta.User.shout failed, first on 00u1x3: ' t
stop t
is 'isolated: the worker lives on' "$status" 0
done_testing
