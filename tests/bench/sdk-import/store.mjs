// store.mjs - SQLite for import.mjs, by whichever way this Node.js has.
//
// better-sqlite3 is what one would take; it must be compiled.  Where it was
// not, Node's own node:sqlite serves, and before that came, the sqlite3
// program.  A store has: name, table(name, columns) with write(rows),
// close().

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const quoted = (name) => `"${name}"`;
const list = (columns) => columns.map(quoted).join(', ');

function create(name, columns) {
	return `CREATE TABLE ${quoted(name)} (${list(columns)}, ` +
		`PRIMARY KEY(${quoted(columns[0])}))`;
}

// Both libraries speak alike: exec(), prepare().run() and .get().
function library(name, db) {
	db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
	return {
		name,
		table(table, columns) {
			db.exec(create(table, columns));
			const insert = db.prepare(
				`INSERT OR REPLACE INTO ${quoted(table)} VALUES (` +
				columns.map(() => '?').join(', ') + ')');
			return {
				write(rows) {
					db.exec('BEGIN IMMEDIATE');
					for (const row of rows)
						insert.run(...row);
					db.exec('COMMIT');
				},
			};
		},
		close: async () => db.close(),
	};
}

function literal(value) {
	if (value === null)
		return 'NULL';
	return typeof value === 'string' ?
		`'${value.replaceAll("'", "''")}'` : String(value);
}

function program(file) {
	const child = spawn('sqlite3', ['-bail', file],
		{ stdio: ['pipe', 'ignore', 'inherit'] });
	const say = (sql) => child.stdin.write(sql + ';\n');

	say('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
	return {
		name: 'sqlite3 program',
		table(table, columns) {
			say(create(table, columns));
			return {
				write(rows) {
					const values = rows.map((row) =>
						`(${row.map(literal).join(', ')})`);
					if (values.length > 0)
						say('INSERT OR REPLACE INTO ' +
							`${quoted(table)} VALUES ${values}`);
				},
			};
		},
		async close() {
			child.stdin.end();
			await once(child, 'exit');
		},
	};
}

export async function openStore(file) {
	try {
		const { default: Database } = await import('better-sqlite3');
		return library('better-sqlite3', new Database(file));
	} catch {
		// not compiled
	}
	try {
		const { DatabaseSync } = await import('node:sqlite');
		return library('node:sqlite', new DatabaseSync(file));
	} catch {
		return program(file);
	}
}
