//! Records in SQLite: write-ahead log, one sync per append (`synchronous=FULL`).
//!
//! A row holds the whole record as JSON; `at` and `kind` are copies for queries. A lock file
//! beside the database keeps a second daemon out; readers need no lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use watchbell_paging::record::{Record, Snapshot};
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::AppendError;

use crate::store::{Loaded, RecordStore, StoreError};

/// The newest schema that this program writes.
const SCHEMA: i64 = 1;
/// Marks the file as ours: `WBEL`.
const APPLICATION: i64 = 0x5742_454c;
/// How long a foreign lock (a backup tool) is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(1);

const CREATE: &str = "
    CREATE TABLE records (
        seq  INTEGER PRIMARY KEY,
        at   INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE TABLE snapshot (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";
/// Writing the same record twice is no fault; writing another one in its place changes no row.
const APPEND: &str = "
    INSERT INTO records (seq, at, kind, body) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (seq) DO UPDATE SET body = excluded.body WHERE body = excluded.body
";

/// The store of one daemon.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    key: [u8; 32],
    /// Held as long as the store is.
    _lock: File,
}

/// A second, read-only view of the same database, for other threads and other processes.
#[derive(Debug)]
pub struct Reader(Mutex<Connection>);

impl SqliteStore {
    /// Opens the database at `path`, and makes it and its folder where there is none.
    ///
    /// # Errors
    /// It cannot be opened, is no such database, or is in use.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refuse = |error: std::io::Error| open_error(path, &error.to_string());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(refuse)?;
        }
        let lock = lock(path)?;
        // Made here so that the key in it is nobody else's to read.
        private(OpenOptions::new().append(true)).open(path).map_err(refuse)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&mut connection, path)?;
        let key = key(&connection, path)?;
        Ok(Self { connection, key, _lock: lock })
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl RecordStore for SqliteStore {
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        if records.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction().map_err(|error| refused(&error))?;
        {
            let mut insert = transaction.prepare_cached(APPEND).map_err(|error| refused(&error))?;
            for record in records {
                let body = serde_json::to_string(record)
                    .map_err(|error| AppendError::new(&error.to_string()))?;
                let changed = insert
                    .execute(params![number(record.seq), record.at.0, record.kind(), body])
                    .map_err(|error| refused(&error))?;
                if changed == 0 {
                    let why = format!("record {} is there already and differs", record.seq);
                    return Err(AppendError::new(&why));
                }
            }
        }
        transaction.commit().map_err(|error| refused(&error))
    }

    fn load(&self) -> Result<Loaded, StoreError> {
        let snapshot = newest_snapshot(&self.connection)?;
        let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq.saturating_add(1));
        let records = records(&self.connection, from, usize::MAX)?;
        let alive = meta::<i64>(&self.connection, "alive")?.map(Timestamp);
        Ok(Loaded { snapshot, records, alive })
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let body = serde_json::to_string(snapshot)
            .map_err(|error| StoreError::Record { seq: snapshot.seq, why: error.to_string() })?;
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM snapshot", [])?;
        transaction.execute(
            "INSERT INTO snapshot (seq, body) VALUES (?1, ?2)",
            params![number(snapshot.seq), body],
        )?;
        Ok(transaction.commit()?)
    }

    fn records(&self, from_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        records(&self.connection, from_seq, limit)
    }

    fn write_alive(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let written = set_meta(&self.connection, "alive", at.0);
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(written?)
    }

    fn key(&self) -> [u8; 32] {
        self.key
    }
}

impl Reader {
    /// Opens a database that a store has made.
    ///
    /// # Errors
    /// There is none, or it is not one of ours.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = schema(&connection, path)?;
        if found == 0 {
            return Err(foreign(path, "it is empty"));
        }
        Ok(Self(Mutex::new(connection)))
    }

    /// Reads at most `limit` records from `from_seq` on, in order.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    pub fn records(&self, from_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        records(&self.0.lock(), from_seq, limit)
    }

    /// Reads what a start would read.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let connection = self.0.lock();
        let snapshot = newest_snapshot(&connection)?;
        let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq.saturating_add(1));
        let records = records(&connection, from, usize::MAX)?;
        let alive = meta::<i64>(&connection, "alive")?.map(Timestamp);
        Ok(Loaded { snapshot, records, alive })
    }

    /// Writes a consistent copy into a file that does not exist yet; the daemon may go on.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn copy(&self, into: &Path) -> Result<(), StoreError> {
        self.0.lock().execute("VACUUM INTO ?1", [into.to_string_lossy()])?;
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private(OpenOptions::new().append(true))
        .open(&name)
        .map_err(|error| open_error(&name, &error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(open_error(&name, &error.to_string())),
    }
}

/// New files are for their owner alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.create(true).mode(0o600)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| open_error(path, &error.to_string()))?;
    connection.busy_timeout(BUSY_WAIT)?;
    Ok(connection)
}

/// Checks what the file is and brings it to the newest schema.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = schema(connection, path)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| open_error(path, &error.to_string()))?;
    if mode != "wal" {
        tracing::warn!(mode, "the file system has no write-ahead log; appends are slower");
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if found == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit().map_err(|error| open_error(path, &error.to_string()))?;
    }
    Ok(())
}

/// Returns the schema's version, 0 for an empty file.
fn schema(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    foreign(path, "its content is no database")
                }
                Some(_) | None => open_error(path, &error.to_string()),
            }
        })
    };
    let version = pragma("user_version")?;
    let application = pragma("application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && version == 0 {
        return Ok(0);
    }
    if application != APPLICATION || version < 1 {
        return Err(foreign(path, "another program made it"));
    }
    if SCHEMA < version {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA });
    }
    Ok(version)
}

/// Returns the key, which the first open makes.
fn key(connection: &Connection, path: &Path) -> Result<[u8; 32], StoreError> {
    if let Some(found) = meta::<Vec<u8>>(connection, "key")? {
        return found.try_into().map_err(|_| foreign(path, "its signing key has a wrong length"));
    }
    let mut key = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut key))
        .map_err(|error| open_error(Path::new("/dev/urandom"), &error.to_string()))?;
    set_meta(connection, "key", key)?;
    Ok(key)
}

fn newest_snapshot(connection: &Connection) -> Result<Option<Snapshot>, StoreError> {
    let row: Option<(i64, String)> = connection
        .query_row("SELECT seq, body FROM snapshot ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    // Every record is still there, so a snapshot that cannot be read only costs time.
    Ok(row.and_then(|(seq, body)| {
        parse(seq, &body)
            .inspect_err(
                |error| tracing::warn!(%error, "the saved state is rebuilt from all records"),
            )
            .ok()
    }))
}

fn records(connection: &Connection, from: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT seq, body FROM records WHERE ?1 <= seq ORDER BY seq LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![number(from), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(parse(row.get(0)?, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(seq: i64, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Record {
        seq: u64::try_from(seq).unwrap_or_default(),
        why: error.to_string(),
    })
}

fn meta<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &str,
) -> Result<Option<T>, rusqlite::Error> {
    connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [name], |row| row.get(0))
        .optional()
}

fn set_meta<T: rusqlite::ToSql>(
    connection: &Connection,
    name: &str,
    value: T,
) -> Result<(), rusqlite::Error> {
    let mut write =
        connection.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
    write.execute(params![name, value]).map(|_| ())
}

/// SQLite counts in `i64`; a journal never gets there.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn refused(error: &rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::new("the disk is full"),
        Some(_) | None => AppendError::new(&error.to_string()),
    }
}

fn open_error(path: &Path, why: &str) -> StoreError {
    StoreError::Open { path: path.to_owned(), why: why.to_owned() }
}

fn foreign(path: &Path, why: &str) -> StoreError {
    StoreError::Foreign { path: path.to_owned(), why: why.to_owned() }
}
