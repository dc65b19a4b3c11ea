#!/usr/bin/env bash
# relay.sh - frames come late, in another order, twice or never, on every
# wire: an import and the delta behind it end as if nothing had been wrong.
. tests/setup.sh
. tests/wire.sh

# done_by RELAY WHAT: its count of "twice", "lost" or "overtaken".
done_by() { grep -oE "[0-9]+ $2" "$TMP/$1.out" | cut -d' ' -f1; }

org okta --users 4000 --groups 150 --edges 12000 --tier unlimited --latency 5
source_file "$TMP/okta.json"
calm
seeds=${SEEDS:-$RANDOM}
for SEED in $seeds; do
	echo "# seed $SEED"
	rm -rf "$TMP"/{state,mesh}.db*
	bad=(hold=40 ahead=12 twice=15 late=4000)
	relay jobs near.jobs jobs "${bad[@]}" lose-page=3
	relay commit near.commit commit "${bad[@]}" drop=2 \
		lose-records=2
	relay mesh near.mesh mesh "${bad[@]}" lose-change=3
	jobs_at=near.jobs commit_at=near.commit
	start_sink
	start_join --to "$(at near.mesh)"
	for t in 1 2 3; do start_transform t$t; done
	start_fetch
	finished 'a full import'
	same 'a full import'
	same_target 'a full import'

	mutate '{"change": 30, "create": 5, "deprovision": 3, "move": 40,
		"groups": 6}'
	calm
	start_fetch
	finished 'a delta'
	like 'a delta: it was one' "$(cat "$TMP/fetch.log")" 'User: complete, delta'
	same 'a delta'
	same_target 'a delta'

	for name in t1 t2 t3 join sink jobs commit mesh; do stop $name; done
	for name in jobs commit mesh; do
		sed "s/^/# $name: /" "$TMP/$name.out"
		for what in twice lost overtaken; do
			ok "$name: frames were $what" \
				test "$(done_by $name $what)" -gt 0
		done
	done
	like 'join counts what came twice' "$(cat "$TMP/join.log")" \
		'[1-9][0-9]* messages came again and were dropped'
	like 'the sink does, too' "$(cat "$TMP/sink.log")" \
		'[1-9][0-9]* messages seen before'
done

done_testing
