# state.sh - what join's database and the targets hold, in forms that can be
# compared, and what must be true of them: `. tests/state.sh` behind
# setup.sh, for the tests of chaos, crash and fault.
# shellcheck shell=bash

canonical() { jq -cS . | LC_ALL=C sort; }
dump_state() { "$BUILD/idmesh-join" dump --db "$1" | canonical; }

# What a target holds, in the form of a dump.
sqlite_state() {
	local type
	for type in User Group GroupMember; do
		sqlite3 "$1" "select json_object('type', '$type', 'id', meshId,
			'object', json(object), 'contributors',
			json(contributors)) from mesh_$type"
	done | canonical
}
# A rebuild takes the place of all before it once it is rebuilt.
ndjson_state() {
	jq -cnS 'reduce inputs as $c ({now: {}, next: null};
		(if .next then "next" else "now" end) as $at |
		if $c.op == "rebuild" then .next = {}
		elif $c.op == "rebuilt" then {now: .next, next: null}
		elif $c.op == "put" then .[$at][$c.type + $c.id] =
			($c | {type, id, object, contributors})
		else del(.[$at][$c.type + $c.id]) end) | .now[]' "$1" |
		LC_ALL=C sort
}
target_state() { "${1%%:*}_state" "${1#*:}"; }

# "ok", and a line for each thing that no database of join may hold behind a
# run that ended well: halves of an object, doubles, holes, open runs.
unsound() {
	sqlite3 "$1" "
		PRAGMA integrity_check;
		SELECT 'no mesh object: ' || id FROM object o WHERE gone IS NULL
			AND NOT EXISTS (SELECT 1 FROM mesh WHERE pk = o.mesh);
		SELECT 'nobody contributes: ' || id FROM mesh m
			WHERE object IS NOT NULL AND NOT EXISTS (SELECT 1
			FROM object WHERE pk = m.object AND mesh = m.pk);
		SELECT 'no attributes: ' || id FROM object o WHERE gone IS NULL
			AND NOT EXISTS (SELECT 1 FROM attrs WHERE pk = o.pk);
		SELECT 'attributes of nobody: ' || pk FROM attrs WHERE pk NOT IN
			(SELECT pk FROM object WHERE gone IS NULL);
		SELECT 'never seen: ' || id FROM object o WHERE gone IS NULL
			AND NOT EXISTS (SELECT 1 FROM seen WHERE pk = o.pk);
		SELECT 'seen, but gone: ' || pk FROM seen WHERE pk NOT IN
			(SELECT pk FROM object WHERE gone IS NULL);
		SELECT 'still leaving: ' || pk FROM leaving;
		SELECT 'twice: ' || type || ' ' || id FROM mesh
			GROUP BY type, id HAVING count(*) > 1;
		SELECT 'alive says ' || alive || ': ' || name FROM stream t
			WHERE alive <> (SELECT count(*) FROM object
			WHERE stream = t.pk AND gone IS NULL);
		SELECT 'a listing is open: ' || id FROM container
			WHERE listing IS NOT NULL;
		SELECT 'member of no group: ' || o.id FROM object o
			JOIN container c ON c.pk = o.container
			WHERE o.gone IS NULL AND NOT EXISTS (SELECT 1
			FROM object g JOIN stream t ON t.pk = g.stream
			WHERE g.id = c.id AND t.name = 'Group' AND
			g.gone IS NULL);
		SELECT 'phase ' || phase || ': run ' || r.number || ' ' || t.name
			FROM checkpoint c JOIN run r ON r.pk = c.run
			JOIN source s ON s.pk = r.source AND s.run = r.number
			JOIN stream t ON t.pk = c.stream WHERE phase <> 'done';
		SELECT 'run ' || number || ' is ' || state FROM run r
			JOIN source s ON s.pk = r.source
			WHERE state = 'running' OR
			(number = s.run AND state <> 'done');
		SELECT 'a hole in the log' FROM store
			WHERE newest - oldest + 1 <> (SELECT count(*) FROM change)
			OR (SELECT max(number) FROM change) > newest;"
}
# An error of SQLite, such as a table that has another name by now, is none.
sound() {
	local found
	found=$(unsound "$1") && [ "$found" = ok ] && return
	echo "not sound: $found"
	return 1
}

# place TARGET: the number that a target has; newest DB: the store's.
place() { "$BUILD/idmesh-sink" cursor "$1"; }
newest() { sqlite3 "$1" "SELECT id || ':' || newest FROM store"; }
