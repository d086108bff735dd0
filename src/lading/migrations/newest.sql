CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE runs (
	id TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	started TEXT NOT NULL,
	state TEXT NOT NULL,
	owner TEXT NOT NULL,
	beat TEXT NOT NULL,
	bill TEXT, part_of TEXT DEFAULT '' NOT NULL, ended TEXT, release INTEGER, cancelled TEXT,
	PRIMARY KEY (id)
);
CREATE TABLE loads (
	id TEXT NOT NULL,
	run TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	state TEXT NOT NULL,
	task TEXT NOT NULL,
	load TEXT NOT NULL,
	snapshot TEXT NOT NULL,
	rows BIGINT,
	cursor TEXT,
	bill TEXT,
	changed TEXT NOT NULL, way TEXT,
	PRIMARY KEY (id)
);
CREATE TABLE slices (
	load TEXT NOT NULL,
	number INTEGER NOT NULL,
	staged BOOLEAN NOT NULL,
	line TEXT NOT NULL,
	PRIMARY KEY (load, number)
);
CREATE TABLE rejects (
	id INTEGER NOT NULL,
	run TEXT NOT NULL,
	load TEXT NOT NULL,
	"table" TEXT NOT NULL,
	slice INTEGER NOT NULL,
	"row" TEXT NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE diffs (
	id TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	run TEXT NOT NULL,
	started TEXT NOT NULL,
	verdict TEXT NOT NULL,
	diff TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE verdicts (
	run TEXT NOT NULL,
	place INTEGER NOT NULL,
	kind TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	started TEXT NOT NULL,
	source TEXT NOT NULL,
	target TEXT NOT NULL,
	source_table TEXT NOT NULL,
	target_table TEXT NOT NULL,
	verdict TEXT NOT NULL,
	why TEXT NOT NULL,
	rows_source BIGINT NOT NULL,
	rows_target BIGINT NOT NULL,
	rejected BIGINT NOT NULL,
	only_source BIGINT,
	only_target BIGINT,
	changed BIGINT,
	narrowed BIGINT NOT NULL,
	not_compared INTEGER NOT NULL,
	root_source TEXT NOT NULL,
	root_target TEXT NOT NULL,
	seconds FLOAT NOT NULL,
	bytes BIGINT NOT NULL,
	PRIMARY KEY (run, place)
);
CREATE TABLE verdict_columns (
	run TEXT NOT NULL,
	place INTEGER NOT NULL,
	column_name TEXT NOT NULL,
	differing BIGINT NOT NULL,
	narrowed BIGINT NOT NULL,
	policy BIGINT NOT NULL,
	not_compared TEXT NOT NULL,
	PRIMARY KEY (run, place, column_name)
);
CREATE TABLE profiles (
	id INTEGER NOT NULL,
	system TEXT NOT NULL,
	"table" TEXT NOT NULL,
	taken TEXT NOT NULL,
	profile TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE step_runs (
	run TEXT NOT NULL,
	step TEXT NOT NULL,
	attempt INTEGER NOT NULL,
	do TEXT NOT NULL,
	digest TEXT NOT NULL,
	state TEXT NOT NULL,
	began TEXT NOT NULL,
	ended TEXT,
	says TEXT NOT NULL,
	outcome TEXT, owner TEXT, beat TEXT, shares TEXT,
	PRIMARY KEY (run, step, attempt)
);
CREATE TABLE approvals (
	run TEXT NOT NULL,
	step TEXT NOT NULL,
	granted BOOLEAN NOT NULL,
	who TEXT NOT NULL,
	moment TEXT NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (run, step)
);
CREATE TABLE dues (
	pipeline TEXT NOT NULL,
	due TEXT NOT NULL,
	schedule TEXT NOT NULL,
	state TEXT NOT NULL,
	run TEXT NOT NULL,
	owner TEXT NOT NULL,
	lease TEXT NOT NULL,
	began TEXT NOT NULL,
	ended TEXT NOT NULL,
	tries INTEGER NOT NULL,
	says TEXT NOT NULL,
	late TEXT NOT NULL,
	PRIMARY KEY (pipeline, due)
);
CREATE TABLE releases (
	pipeline TEXT NOT NULL,
	number INTEGER NOT NULL,
	hash TEXT NOT NULL,
	content TEXT NOT NULL,
	state TEXT NOT NULL,
	same_as INTEGER NOT NULL,
	made TEXT NOT NULL,
	who TEXT NOT NULL,
	note TEXT NOT NULL,
	preflight TEXT,
	PRIMARY KEY (pipeline, number)
);
CREATE TABLE schedulers (
	owner TEXT NOT NULL,
	began TEXT NOT NULL,
	beat TEXT NOT NULL,
	PRIMARY KEY (owner)
);
CREATE TABLE arrivals (
	id TEXT NOT NULL,
	pipeline TEXT NOT NULL,
	step TEXT NOT NULL,
	place TEXT NOT NULL,
	name TEXT NOT NULL,
	gone TEXT NOT NULL,
	mark TEXT NOT NULL,
	size BIGINT NOT NULL,
	modified TEXT NOT NULL,
	seen TEXT NOT NULL,
	looks INTEGER NOT NULL,
	looked TEXT NOT NULL,
	state TEXT NOT NULL,
	changed TEXT NOT NULL,
	hash TEXT NOT NULL,
	rows BIGINT,
	lot TEXT NOT NULL,
	run TEXT NOT NULL,
	bill TEXT NOT NULL,
	says TEXT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (pipeline, step, place, name, gone)
);
CREATE INDEX ix_arrivals_hash ON arrivals (pipeline, step, hash);
CREATE INDEX ix_arrivals_lot ON arrivals (lot);
CREATE INDEX ix_arrivals_run ON arrivals (run);
CREATE INDEX ix_arrivals_state ON arrivals (pipeline, step, state);
CREATE INDEX ix_dues_state ON dues (state);
CREATE INDEX ix_loads_fingerprint ON loads (fingerprint);
CREATE INDEX ix_loads_run ON loads (run);
CREATE INDEX ix_loads_way ON loads (way);
CREATE INDEX ix_rejects_run ON rejects (run);
CREATE INDEX ix_releases_hash ON releases (hash);
CREATE INDEX ix_runs_ended ON runs (ended);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_step_runs_shares ON step_runs (shares);
CREATE INDEX ix_verdicts_run ON verdicts (run);
CREATE INDEX profiles_of_tables ON profiles (system, "table");
INSERT INTO alembic_version VALUES ('0011');
