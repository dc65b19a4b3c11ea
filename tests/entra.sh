# entra.sh - what the tests of Entra share: `. tests/entra.sh` behind setup.sh.
#
# Functions: tenant, entra_file, entra_pipeline, entra_truth, entra_mesh,
# same_as_tenant, mutate.
# shellcheck shell=bash

APP=11111111-2222-3333-4444-555555555555
TENANT=5f2b6c1e-0d47-4a9b-8e31-c7a4d90b6e12
APP_SECRET='sim~secret+/=That-must-never-show'
export ORGSIM_APP_SECRET=$APP_SECRET
export IDMESH_SECRET_ENTRA_CONTOSO_SECRET=$APP_SECRET

# tenant NAME OPTIONS...: a simulated tenant; its address is in $url.
tenant() {
	local name=$1
	shift
	org "$name" --users 20 --groups 2 --edges 20 --app "$APP" "$@"
}

# entra_file FILE [JQ]: a source of the tenant at $url, changed by a filter.
entra_file() {
	jq -n --arg url "$url" --arg app "$APP" --arg tenant "$TENANT" \
		'{connector: "entra", name: "contoso",
		ConfigJson: {TenantId: $tenant, BaseUrl: $url,
			AuthorityUrl: $url},
		AuthJson: {Mode: "ClientSecret", ClientId: $app,
			ClientSecret: "secret://entra/contoso/secret"}} | '"${2:-.}" >"$1"
}

# entra_pipeline SOURCE DB TARGET [MODE] [FETCH OPTIONS...]: one run.
entra_pipeline() {
	local source=$1 db=$2 target=$3 mode=${4:-auto}
	shift $(($# < 4 ? $# : 4))
	"$IDMESH" transform describe >"$TMP/scope.json" 2>"$TMP/describe.log"
	"$IDMESH" fetch "$source" --scope "$TMP/scope.json" \
		--request-log "$TMP/requests" "$@" \
		--resume <("$IDMESH" join begin --db "$db" entra:contoso \
			--mode "$mode") 2>"$TMP/fetch.log" |
		"$IDMESH" transform 2>"$TMP/transform.log" |
		"$IDMESH" join --db "$db" --after "$("$IDMESH" sink cursor "$target")" \
			2>"$TMP/join.log" |
		"$IDMESH" sink "$target" 2>"$TMP/sink.log"
	pipe_status="${PIPESTATUS[*]}"
}

# All pages of a list of Graph, one object a line.
graph_list() {
	local link=$url/v1.0/$1
	while [ -n "$link" ]; do
		curl -s -H "Authorization: Bearer $bearer" "$link" >"$TMP/list" || return 1
		jq -c '.value[]' "$TMP/list" || return 1
		link=$(jq -r '."@odata.nextLink" // ""' "$TMP/list")
	done
}
graph_token() {
	bearer=$(curl -s "$url/$TENANT/oauth2/v2.0/token" \
		-d grant_type=client_credentials -d client_id="$APP" \
		-d scope=https://graph.microsoft.com/.default \
		--data-urlencode client_secret="$APP_SECRET" |
		jq -r .access_token)
}

# What the tenant says of itself, a sorted line for each thing.
entra_truth() {
	graph_token
	graph_list 'users?$top=999&$select=id,accountEnabled,displayName,userPrincipalName,mail,employeeId,department,employeeOrgData,otherMails,businessPhones' |
		jq -r '["user", .id, .accountEnabled, .displayName,
			.userPrincipalName, .mail, .employeeId, .department,
			.employeeOrgData.costCenter, .otherMails[0],
			.businessPhones[0]] |
			map(if . == null then "-" else tostring end) | join("|")'
	graph_list 'groups?$top=999&$select=id,displayName,description' |
		jq -r '["group", .id, .displayName, .description // "-"] | join("|")'
	curl -s "$url/_sim/entra/users" |
		jq -r 'select(.manager and .deletedDateTime == null) |
			["manager", .id, .manager] | join("|")'
	curl -s "$url/_sim/entra/members" |
		jq -r 'select(.type == "user" or .type == "group") |
			["member", .groupId, .memberId, .type] | join("|")'
}

# The same out of a target.
entra_mesh() {
	sqlite3 "$1" "select 'user', ExternalId,
			iif(accountEnabled, 'true', 'false'), displayName, login,
			coalesce(email, '-'), coalesce(employeeNumber, '-'),
			coalesce(department, '-'), coalesce(costCenter, '-'),
			coalesce(secondEmail, '-'), coalesce(primaryPhone, '-')
			from User;
		select 'manager', ExternalId, managerId from User
			where managerId is not null;
		select 'group', ExternalId, name, coalesce(description, '-')
			from \"Group\";
		select 'member', groupId, memberId, lower(memberType)
			from GroupMember"
}

same_as_tenant() {
	entra_truth | LC_ALL=C sort >"$TMP/want"
	entra_mesh "$1" | LC_ALL=C sort >"$TMP/got"
	[ -s "$TMP/want" ] && diff -u "$TMP/want" "$TMP/got"
}

mutate() { curl -sf -X POST "$url/_sim/entra/mutate" -d "$1" >"$TMP/mutation"; }
