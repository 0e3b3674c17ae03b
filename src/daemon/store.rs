//! The store of records: what must never be lost.
//!
//! Appends are all or nothing and on disk when they return. Decides nothing and forgets nothing:
//! records before a snapshot stay, for `why`. One process at a time holds the store.

mod sqlite;

use std::fmt;
use std::path::{Path, PathBuf};

use watchbell_paging::record::{Record, Snapshot};
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::AppendError;

pub use self::sqlite::{Reader, SqliteStore};

/// What a start reads.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The newest snapshot, if one was saved.
    pub snapshot: Option<Snapshot>,
    /// The records after the snapshot, in order.
    pub records: Vec<Record>,
    /// The last sign of life of the process before.
    pub alive: Option<Timestamp>,
}

/// Why the store cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or file cannot be made or opened.
    #[error(
        "opening {}: {why}; the user of the daemon must be able to write the file and its folder",
        path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// As the system words it.
        why: String,
    },
    /// The file holds something else.
    #[error(
        "{} is not a database of Watchbell ({why}); move it away or name another state folder",
        path.display()
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A newer program wrote it.
    #[error(
        "{} was written by a newer version (schema {found}, this program knows {known}); \
         start the newer version or restore a backup",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// Another process works with it.
    #[error("{} is in use by another daemon; stop it or name another state folder", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// A record or snapshot cannot be read back.
    #[error("record {seq} of the journal cannot be read: {why}; restore a backup")]
    Record {
        /// Which one.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// The database refused a statement.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
}

/// What a store of records can do; a pair of daemons will have another one behind it.
pub trait RecordStore: Send + fmt::Debug {
    /// Makes records durable, all of them or none. Appending a record again changes nothing.
    ///
    /// # Errors
    /// None of them is durable; a later call may succeed.
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError>;

    /// Reads the newest snapshot and what came after it.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    fn load(&self) -> Result<Loaded, StoreError>;

    /// Replaces the snapshot; no record is dropped.
    ///
    /// # Errors
    /// The old one is kept.
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError>;

    /// Reads at most `limit` records from `from_seq` on, in order.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    fn records(&self, from_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Writes that the process lives; not synced, so it is cheap.
    ///
    /// # Errors
    /// The database fails.
    fn write_alive(&mut self, at: Timestamp) -> Result<(), StoreError>;

    /// Returns the key that signs links; it lives as long as the store.
    fn key(&self) -> [u8; 32];
}

/// The store in use.
#[derive(Debug)]
pub struct Store(Box<dyn RecordStore>);

impl Store {
    /// Opens the database at `path`, and makes it and its folder where there is none.
    ///
    /// # Errors
    /// It cannot be opened, is no such database, or is in use.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Box::new(SqliteStore::open(path)?)))
    }

    /// Uses another store.
    #[must_use]
    pub fn with(store: Box<dyn RecordStore>) -> Self {
        Self(store)
    }

    /// Makes records durable, all of them or none.
    ///
    /// # Errors
    /// None of them is durable; a later call may succeed.
    pub fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        self.0.append(records)
    }

    /// Reads the newest snapshot and what came after it.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        self.0.load()
    }

    /// Replaces the snapshot; no record is dropped.
    ///
    /// # Errors
    /// The old one is kept.
    pub fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.0.save_snapshot(snapshot)
    }

    /// Reads at most `limit` records from `from_seq` on, in order.
    ///
    /// # Errors
    /// The database fails, or a record is not one.
    pub fn records(&self, from_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.0.records(from_seq, limit)
    }

    /// Writes that the process lives; not synced, so it is cheap.
    ///
    /// # Errors
    /// The database fails.
    pub fn write_alive(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.0.write_alive(at)
    }

    /// Returns the key that signs links; it lives as long as the store.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        self.0.key()
    }
}

#[cfg(test)]
mod tests;
