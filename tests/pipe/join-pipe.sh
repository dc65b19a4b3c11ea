#!/usr/bin/env bash
# join-pipe.sh - join as a filter: what becomes a change, what is a delete,
# what is only seen; runs, watermarks, dead letters and the guard.
. tests/setup.sh
. tests/records.sh

# --- a first import
{
	page User 1 '' "$(user u1)" "$(user u2)"
	page User 2 '' "$(user u3)"
	end User 3
} | changes
is 'a first import: everything is put' "$status:$changes" \
	"0:put User $S/u1
put User $S/u2
put User $S/u3"
second=$(of '.[1].id')
is 'the schema comes first' \
	"$(head -n 1 <<<"$out" | jq -r '.kind, .types[0].type, .types[0].attributes[0]' | paste -sd ' ')" \
	'schema User ExternalId'
is 'numbers without a hole' \
	"$(jq -rs '[.[] | select(.kind == "change") | range(.first; .seq + 1)] |
		join(" ")' <<<"$out")" '1 2 3'
is 'the object is what was mapped' \
	"$(of '.[0].object')" '{"login":"u1@example.com","title":"Clerk"}'
like 'a mesh id is a UUID of version 8' \
	"$(of '.[0].id')" \
	'^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
is 'the watermark has moved' "$("$JOIN" watermark --db "$db" $S)" \
	'{"u":"2026-04-22T08:10:30.000Z","g":null}'

# --- the same again, changed, gone
{
	page User 1 '' "$(user u1)" "$(user u2)" "$(user u3)"
	end User 2
} | changes
is 'nothing changed: no change' "$status:$changes" 0:
{
	page User 1 '' "$(user u1 Baker)" "$(user u2)" "$(user u3)"
	end User 2
} | changes
is 'a change names its attributes' "$changes" "put User $S/u1 title"
is 'and is complete' \
	"$(of '.[0].object.login')" u1@example.com
{
	page User 1 '' "$(user u1 Baker)" "$(user u3)"
	end User 2
} | changes
is 'absent from a full run: deleted' "$status:$changes" '0:delete User absent'
id=$(of '.[0].id')
is 'under the id it had' "$id" "$second"
{
	page User 1 '' "$(user u1 Baker)" "$(user u2)" "$(user u3)"
	end User 2
} | changes
is 'the same id again: put' "$changes" "put User $S/u2"
is 'with the same mesh id' "$(of '.[0].id')" "$id"

# --- of which nothing was said
silent() {
	printf '{"id":"%s","op":"put","hash":"%032d","attrs":{"login":"%s"},"kept":["title"]}' \
		"$1" 7 "$1@example.com"
}
mode=delta
{
	page User 1 '' "$(silent u1)"
	end User 2
} | changes
is 'in a delta it stays as it was' "$status:$changes" 0:
mode=full
{
	page User 1 '' "$(user u1 Boss)" "$(user u2)" "$(user u3)"
	page User 2 '' "$(silent u1)"
	end User 3
} | changes
is 'and so it does in a full run that has told it' "$changes" \
	"put User $S/u1 title"
{
	page User 1 '' "$(silent u1)" "$(user u2)" "$(user u3)"
	end User 2
} | changes
is 'a full run that has not tells that there is none' \
	"$status:$changes:$(of '.[0].object')" \
	"0:put User $S/u1 title:{\"login\":\"u1@example.com\"}"
{
	page User 1 '' "$(user u1 Baker)" "$(user u2)" "$(user u3)"
	end User 2
} | changes
is 'what is told again is there again' "$changes" "put User $S/u1 title"

# --- what is no proof of absence
{
	page User 1 '' "$(user u1 Baker)"
	end User 2 false ',"why":"E0000009"'
} | changes
is 'an incomplete stream sweeps nothing' "$status:$changes" 111:
marks=$("$JOIN" watermark --db "$db" $S)
like 'and says so' "$err" 'User run [0-9]+ is incomplete: E0000009'
{
	page User 1 '' "$(user u1 Baker)"
	end User 2 true ',"watermark":"2026-06-22T08:10:30.000Z","certificate":{"chain":false}'
} | changes
is 'nor does a broken listing: 1' "$status:$changes" 1:
like 'which certifies nothing' "$err" \
	'User run [0-9]+: not certified: the listing was broken off'
is 'and moves no watermark' "$("$JOIN" watermark --db "$db" $S)" "$marks"
{
	page User 1 '' "$(user u1 Baker)"
	n=2 end User 2
} | changes
like 'nor one whose end counts more records' "$status:$changes$err" \
	'^1:.*not certified: 2 records were listed, 1 came'
{
	page User 1 '' "$(user u1 Baker)"
	end User 2 true "$proof,\"pages\":3"
} | changes
like 'nor one whose end counts more pages' "$status:$changes$err" \
	'^1:.*not certified: 3 pages were sent, 1 came'
mode=delta
{
	page User 1 '' "$(user u1 Baker)"
	end User 2
} | changes
mode=full
is 'nor a delta run' "$status:$changes" 0:
{
	n=2 page User 1 '' "$(user u1 Baker)"
	end User 2
} | changes
like 'nor a page with a record missing' "$status:$changes$(tr '\n' ' ' <<<"$err")" \
	'^1:.*page 1 holds 1 of 2 records.*not certified'
page User 1 '' "$(user u1 Baker)" | changes
is 'no end: 111' "$status:$changes" 111:
like 'and says which stream' "$err" 'User run [0-9]+ did not end'
is 'all three are still there' "$(count)" 3
touched=$(put u2 '{"login":"u2@example.com","lastUpdated":"2026-04-22T08:10:30.000Z"}')
{
	page User 1 '' "$(user u1 Baker)" "$touched" "$(user u3)"
	end User 2
} >/dev/null | changes
{
	page User 1 '' "$(user u1 Baker)" "$touched" "$(user u3)"
	end User 2
} | changes
{
	page User 1 '' "$(user u1 Baker)"
	end User 2
} | changes
is 'spared: touched since the pass began' "$changes" 'delete User absent'
like 'it is u2 that stays' "$(mesh)" '/u2"'
{
	page User 1 '' "$(user u1 Baker)" "$(user u2)" "$(user u3)"
	end User 2
} | changes

# --- what the records say themselves
{
	page User 1 '' '{"id":"u3","op":"delete","reason":"deprovisioned"}' \
		'{"id":"u2","op":"out-of-scope","reason":"scope"}' \
		'{"id":"u9","op":"delete","reason":"removed"}' "$(user u1 Baker)"
	end User 2
} | changes
is 'delete and out-of-scope, the unknown is nothing' "$status:$changes" \
	'0:delete User scope
delete User deprovisioned'
{
	page User 1 '' "$(user u1 Baker)" "$(user u2)"
	end User 2
} | changes
failing='{"id":"u1","op":"put","hash":"00000000000000000000000000000001","errors":{"title":{"at":"x.lua:1","message":"no"}},"attrs":{"login":"new@example.com"}}'
{
	page User 1 '' "$failing" "$(user u2)"
	end User 2
} | changes
is 'a failing rule leaves the value as it was' "$changes" \
	"put User $S/u1 login"
is 'in the object too' \
	"$(of '.[0].object')" \
	'{"login":"new@example.com","title":"Baker"}'
like 'and is counted' "$("$JOIN" runs --db "$db" --json | tail -n 1)" '"errors":1'

# --- dead letters
bad=',"bad":[{"index":1,"id":"u2","code":"E_RULE","at":"okta.lua:41","message":"no","raw":{"id":"u2"}}]'
{
	n=2 page User 1 "$bad" "$failing"
	end User 2
} | changes
is 'a rejected record: 1, and it counts as seen' "$status:$changes" 1:
is 'its dead letter' \
	"$("$JOIN" dead --db "$db" --json | jq -r '[.stream, .id, .stage, .code, .at, .message, .raw.id] | join(" ")')" \
	'User u2 transform E_RULE okta.lua:41 no u2'
like 'for people too' "$("$JOIN" dead --db "$db")" 'User +u2 +transform .*okta.lua:41: no'
{
	page User 1 '' "$failing" "$(user u2)"
	end User 2
} | changes
is 'it comes right: the letter is gone' \
	"$status:$("$JOIN" dead --db "$db" --json)" 0:
{
	n=2 page User 1 ',"bad":[{"index":1,"code":"E_ID","message":"no id","raw":{}}]' "$failing"
	end User 2
} | changes
is 'a reject without an id stops the sweep' "$status:$changes" 1:
{
	page User 1 '' '{"id":"u1","op":"put","hash":"xyz","attrs":{}}' "$(user u2)"
	end User 2
} | changes
like 'a hash that is none' "$status $("$JOIN" dead --db "$db" --json)" '^1 .*E_RECORD'
page Printer 1 '' "$(put p1 '{}')" | changes
like 'a stream without a map' "$("$JOIN" dead --db "$db" --json)" 'E_NO_MAP'
many=$(for i in $(seq 101); do printf ',{"index":%d,"id":"b%d","code":"E","message":"no"}' "$i" "$i"; done)
{
	n=103 page User 1 ",\"bad\":[${many#,}]" "$failing" "$(user u2)"
	end User 2
} | changes
like 'too many rejects stop the run' "$status:$err" '^100:.*101 of 103 records were rejected'
is 'nothing was swept' "$(count)" 2

# O_NONBLOCK belongs to the pipe: who had it before join may have set it.
message=$(n=1 page User 1 '' "$(user u9)"; end User 2)
{
	printf %s "${message:0:40}"
	read -rt 0.3 <> <(:) || :
	printf '%s\n' "${message:40}"
} | perl -MFcntl -e 'fcntl(STDIN, F_SETFL, O_NONBLOCK); exec @ARGV' \
	"$JOIN" --db "$TMP/slow.db" >/dev/null 2>&1
is 'a stdin that does not wait is waited for' "$? $("$JOIN" dump \
	--db "$TMP/slow.db" | wc -l)" '0 1'
done_testing
