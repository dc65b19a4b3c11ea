#!/usr/bin/env bash
# join-merge-random.sh - random histories of two sources: many small merges end
# where one of everything ends, whatever came in which order.
. tests/setup.sh
. tests/records.sh
. tests/merge.sh

# history SEED ROUNDS: files round.N with one delta of one source each, some of
# both, and `final` with what is there in the end.  Few values, many clashes.
history() {
	awk -v seed="$1" -v rounds="$2" -v dir="$TMP" '
	function rnd(n) { seed = (seed * 1103515245 + 12345) % 2147483648; return int(seed / 65536) % n }
	function rec(id, s,    a, j) {
		if (s == "") return sprintf("{\"id\":\"%s\",\"op\":\"delete\",\"reason\":\"removed\"}", id)
		return sprintf("{\"id\":\"%s\",\"op\":\"put\",\"hash\":\"%032x\",\"attrs\":%s}", id, ++hash, s)
	}
	function attrs(   a) {
		a = "\"title\":\"t" rnd(3) "\""
		if (rnd(3)) a = a ",\"employeeNumber\":\"" rnd(9) "\""
		if (rnd(4)) a = a ",\"email\":\"m" rnd(9) "@x\""
		return "{" a "}"
	}
	function put_page(file, source, mode, list, n) {
		printf "{\"v\":1,\"kind\":\"records\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":1,\"n\":%d,\"mode\":\"%s\",\"rules\":\"r1\",\"records\":[%s]}\n", source, n, mode, substr(list, 2) > file
		printf "{\"v\":1,\"kind\":\"end\",\"source\":\"%s\",\"stream\":\"User\",\"run\":0,\"epoch\":0,\"seq\":2,\"n\":%d,\"mode\":\"%s\",\"complete\":true,\"watermark\":\"2026-04-22T08:10:30.000Z\",\"certificate\":{\"chain\":true}}\n", source, n, mode > file
	}
	BEGIN {
		split("okta:contoso entra:contoso", name, " ")
		for (r = 1; r <= rounds; r++) {
			file = dir "/round." r
			for (s = 1; s <= 2; s++) {
				if (r > 1 && rnd(3) == 0) continue
				list = ""; n = 0; delete done
				for (k = rnd(r == 1 ? 30 : 6); k >= 0; k--) {
					id = substr("oe", s, 1) rnd(14)
					if (id in done) continue
					done[id] = 1; n++
					now[s, id] = r > 1 && rnd(4) == 0 ? "" : attrs()
					list = list "," rec(id, now[s, id])
				}
				put_page(file, name[s], "delta", list, n)
			}
			printf "" > file
			close(file)
		}
		for (s = 2; s >= 1; s--) {
			list = ""; n = 0
			for (i = 13; i >= 0; i--) {
				id = substr("oe", s, 1) i
				if (now[s, id] != "") { list = list "," rec(id, now[s, id]); n++ }
			}
			put_page(dir "/final", name[s], "full", list, n)
		}
		close(dir "/final")
	}'
}
many() { "$JOIN" --db "$db" --rules "$TMP/rules" >/dev/null 2>>"$TMP/log"; }
base='sources = { "okta", "entra" }, { "employeeNumber" }, { "email" }'
wide='guard { leave = { max = 1000, percent = 100 } }'

# --- strict: the past means nothing, so the final state alone says it all
rules "join \"User\" { $base, changed = \"strict\" } life \"User\" { back = { same_key = \"new\" } } $wide"
bad=
for seed in $(seq 1 6); do
	rm -f "$TMP"/round.*
	history "$seed" 8
	db=$TMP/strict$seed.db
	for r in $(seq 8); do many <"$TMP/round.$r"; done
	got=$(shape)
	db=$TMP/scratch$seed.db
	many <"$TMP/final"
	[ "$got" = "$(shape)" ] || bad="$bad $seed"
done
is 'strict: eight small merges are one of the end' "$bad" ''

# --- keep: what was merged bit by bit is at rest
bad=
for seed in $(seq 11 16); do
	rm -f "$TMP"/round.*
	history "$seed" 8
	rules "join \"User\" { $base } life \"User\" { back = { same_key = \"ask\" } } $wide"
	db=$TMP/keep$seed.db
	for r in $(seq 8); do many <"$TMP/round.$r"; done
	before=$(mesh):$(held)
	rules "-- another version: everything is merged again
		join \"User\" { $base } life \"User\" { back = { same_key = \"ask\" } } $wide"
	merge </dev/null
	[ "$before:" = "$(mesh):$(held):$changes" ] || bad="$bad $seed"
	[ "$(left_over)" = '0 0 0' ] || bad="$bad $seed(left)"
done
is 'keep: all over again changes nothing' "$bad" ''
is 'nobody is twice or lost' "$(sqlite3 "$db" "SELECT count(*) FROM object o
	WHERE o.gone IS NULL AND NOT EXISTS (SELECT 1 FROM link l WHERE
	l.object = o.pk AND (l.mesh <> 0) <> EXISTS (SELECT 1 FROM held h
	WHERE h.object = o.pk))")" 0

# --- decisions: when all of them are taken back, it is as if there were none
rules "join \"User\" { $base } life \"User\" { back = { same_key = \"ask\" } } $wide"
decide() { "$JOIN" decide --db "$db" --rules "$TMP/rules" "$@" >/dev/null 2>"$TMP/said"; }
# people: who is one person with whom, and who is held; ids that were for a
# while are told to leave.
people() {
	mesh | jq -c 'select(.contributors != []) | [.id, .contributors, .object]'
	held
}
in_force() { sqlite3 "$db" 'SELECT pk FROM decision WHERE undone_at IS NULL'; }
# decisions SEED N: one a line, mostly about few, so that they contradict.
decisions() {
	awk -v seed="$1" -v n="$2" '
	function rnd(n) { seed = (seed * 1103515245 + 12345) % 2147483648; return int(seed / 65536) % n }
	BEGIN {
		split("join never alone undo", verb, " ")
		while (n-- > 0)
			print verb[rnd(4) + 1], "okta:contoso/o" rnd(4), "entra:contoso/e" rnd(4)
	}'
}
bad=
for seed in $(seq 21 $((${SEEDS:-5} + 20))); do
	rm -f "$TMP"/round.*
	history "$seed" 1
	db=$TMP/decided$seed.db
	many <"$TMP/final"
	before=$(people)
	decisions "$seed" 7 >"$TMP/decisions"
	while read -r verb a b; do
		case $verb in
		alone) decide alone "$b" ;;
		undo) for n in $(in_force | shuf -n 1 --random-source=<(yes $seed)); do
			decide --undo "$n"
		done ;;
		*) decide "$verb" "$a" "$b" ;;
		esac
	done <"$TMP/decisions"
	for n in $(in_force | shuf --random-source=<(yes $seed)); do
		decide --undo "$n"
	done
	[ "$before" = "$(people)" ] || bad="$bad $seed"
done
is 'decisions that are undone leave nothing' "$bad" ''

done_testing
