//! What the store promises, shown on real files.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use watchbell_paging::record::{Fact, Record, Snapshot};
use watchbell_paging::time::Timestamp;

use super::*;

#[test]
fn what_was_appended_is_there_after_the_next_open() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.append(&[record(1), record(2)]).unwrap();
    store.append(&[]).unwrap();
    store.append(&[record(3)]).unwrap();
    store.write_alive(Timestamp(77)).unwrap();
    drop(store);
    let loaded = folder.open().load().unwrap();
    assert_eq!(loaded.records, [record(1), record(2), record(3)]);
    assert_eq!(loaded.alive, Some(Timestamp(77)));
    assert!(loaded.snapshot.is_none());
}

#[test]
fn an_append_is_all_or_nothing() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.append(&[record(2)]).unwrap();
    let mut other = record(2);
    other.at = Timestamp(5);
    let error = store.append(&[record(1), other]).unwrap_err();
    assert!(error.to_string().contains("record 2 is there already"), "{error}");
    assert_eq!(store.load().unwrap().records, [record(2)]);
}

#[test]
fn appending_the_same_record_again_changes_nothing() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.append(&[record(1)]).unwrap();
    store.append(&[record(1), record(2)]).unwrap();
    assert_eq!(store.load().unwrap().records, [record(1), record(2)]);
}

#[test]
fn loading_begins_after_the_snapshot_and_old_records_stay_readable() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.append(&[record(1), record(2), record(3)]).unwrap();
    store.save_snapshot(&snapshot(1)).unwrap();
    store.save_snapshot(&snapshot(2)).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.snapshot.unwrap().seq, 2);
    assert_eq!(loaded.records, [record(3)]);
    assert_eq!(store.records(1, 2).unwrap(), [record(1), record(2)]);
    assert_eq!(store.records(3, 10).unwrap(), [record(3)]);
    assert_eq!(store.records(4, 10).unwrap(), []);
}

#[test]
fn a_full_disk_refuses_and_a_freed_one_takes_again() {
    let folder = Folder::new();
    let mut store = SqliteStore::open(&folder.path()).unwrap();
    store.append(&[record(1)]).unwrap();
    let pages = |store: &SqliteStore, count: i64| {
        store.pragma("max_page_count", count);
    };
    pages(&store, 1);
    let mut failed = None;
    for seq in 2..2000 {
        if let Err(error) = store.append(&[record(seq)]) {
            failed = Some((seq, error));
            break;
        }
    }
    let (seq, error) = failed.expect("the limit is met");
    assert_eq!(error.to_string(), "the journal cannot be written: the disk is full");
    assert_eq!(store.load().unwrap().records.len(), usize::try_from(seq).unwrap() - 1);
    pages(&store, 1_000_000);
    store.append(&[record(seq), record(seq + 1)]).unwrap();
    assert_eq!(store.load().unwrap().records.len(), usize::try_from(seq).unwrap() + 1);
}

#[test]
fn an_append_syncs_and_a_sign_of_life_does_not_change_that() {
    let folder = Folder::new();
    let mut store = SqliteStore::open(&folder.path()).unwrap();
    store.write_alive(Timestamp(1)).unwrap();
    assert_eq!(store.read_pragma("synchronous"), "2", "2 is FULL");
    assert_eq!(store.read_pragma("journal_mode"), "wal");
}

#[test]
fn the_key_is_made_once_and_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let key = folder.open().key();
    assert_ne!(key, [0; 32]);
    assert_eq!(folder.open().key(), key);
    assert_ne!(Folder::new().open().key(), key);
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_second_daemon_is_kept_out() {
    let folder = Folder::new();
    let first = folder.open();
    let error = Store::open(&folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(first);
    folder.open();
}

#[test]
fn a_file_that_is_no_database_of_ours_is_refused_with_what_to_do() {
    type Prepare = fn(&Path);
    let cases: [(&str, Prepare, &str); 3] = [
        (
            "text",
            |path| {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "x".repeat(4096)).unwrap()
            },
            "no database",
        ),
        ("foreign", |path| make(path, "CREATE TABLE songs (name TEXT)"), "another program"),
        (
            "newer",
            |path| {
                drop(Store::open(path).unwrap());
                make(path, "PRAGMA user_version = 99");
            },
            "newer version (schema 99",
        ),
    ];
    for (name, prepare, expected) in cases {
        let folder = Folder::new();
        prepare(&folder.path());
        let error = Store::open(&folder.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    std::fs::write(folder.0.path().join("file"), "").unwrap();
    let path = folder.0.path().join("file/inside/records.db");
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("file/inside/records.db"), "{error}");
    assert!(error.contains("must be able to write"), "{error}");
}

#[test]
fn a_damaged_record_is_named() {
    let folder = Folder::new();
    folder.open().append(&[record(1), record(2)]).unwrap();
    make(&folder.path(), "UPDATE records SET body = '{' WHERE seq = 2");
    let error = folder.open().load().unwrap_err().to_string();
    assert!(error.starts_with("record 2 of the journal cannot be read"), "{error}");
}

#[test]
fn a_damaged_snapshot_costs_time_and_nothing_else() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.append(&[record(1), record(2)]).unwrap();
    store.save_snapshot(&snapshot(1)).unwrap();
    drop(store);
    make(&folder.path(), "UPDATE snapshot SET body = '{'");
    let loaded = folder.open().load().unwrap();
    assert!(loaded.snapshot.is_none());
    assert_eq!(loaded.records, [record(1), record(2)]);
}

#[test]
fn a_reader_sees_what_the_daemon_writes_and_copies_it() {
    let folder = Folder::new();
    assert!(Reader::open(&folder.path()).is_err(), "nothing is there yet");
    let mut store = folder.open();
    let reader = Reader::open(&folder.path()).unwrap();
    store.append(&[record(1)]).unwrap();
    assert_eq!(reader.records(0, 10).unwrap(), [record(1)]);
    let copy = folder.0.path().join("copy.db");
    reader.copy(&copy).unwrap();
    store.append(&[record(2)]).unwrap();
    assert_eq!(Store::open(&copy).unwrap().load().unwrap().records, [record(1)]);
    assert_eq!(reader.load().unwrap().records.len(), 2);
}

impl SqliteStore {
    fn pragma(&self, name: &str, value: i64) {
        self.connection().pragma_update_and_check(None, name, value, |_| Ok(())).unwrap();
    }

    fn read_pragma(&self, name: &str) -> String {
        self.connection()
            .pragma_query_value(None, name, |row| {
                Ok(match row.get_ref(0)? {
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    other => other.as_str().unwrap().to_owned(),
                })
            })
            .unwrap()
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state/records.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }
}

fn make(path: &Path, sql: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn record(seq: u64) -> Record {
    Record { seq, at: Timestamp(1000), fact: Fact::Started { down_since: Some(Timestamp(900)) } }
}

/// The snapshot's own content is the paging crate's; here only its number matters.
fn snapshot(seq: u64) -> Snapshot {
    Snapshot { seq, ..Snapshot::default() }
}
