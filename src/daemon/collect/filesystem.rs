//! Space and inodes of mounted file systems.
//!
//! Pseudo file systems are left out as node_exporter leaves them out. A service's sandbox must not
//! change what is shown: a device that is mounted several times is shown once, at its first mount;
//! a mount that another one covers is left out; read-only is what the file system is, not its mount.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use procfs::process::MountInfo;
use rustix::fs::StatVfs;

use super::text::{Text, Type};

const TYPES_IGNORED: [&str; 28] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];
const MOUNTS_IGNORED: [&str; 6] =
    ["/dev", "/proc", "/sys", "/run/credentials", "/var/lib/docker", "/var/lib/containers/storage"];

/// A mount that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) point: String,
    pub(super) kind: String,
    pub(super) is_read_only: bool,
}

type Field = (&'static str, &'static str, fn(&StatVfs) -> u64);

const FIELDS: [Field; 5] = [
    ("size_bytes", "Size in bytes.", |stat| stat.f_blocks.saturating_mul(stat.f_frsize)),
    ("free_bytes", "Free space in bytes.", |stat| stat.f_bfree.saturating_mul(stat.f_frsize)),
    ("avail_bytes", "Space for everybody in bytes.", |stat| {
        stat.f_bavail.saturating_mul(stat.f_frsize)
    }),
    ("files", "File nodes.", |stat| stat.f_files),
    ("files_free", "Free file nodes.", |stat| stat.f_ffree),
];

pub(super) fn write(text: &mut Text) {
    let mounts = mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let stats: Vec<(Mount, Option<StatVfs>)> = mounts
        .into_iter()
        .map(|mount| {
            let stat = rustix::fs::statvfs(mount.point.as_str()).ok();
            (mount, stat)
        })
        .collect();
    for (field, help, count) in FIELDS {
        let name = format!("node_filesystem_{field}");
        text.family(&name, Type::Gauge, help);
        for (mount, stat) in &stats {
            if let Some(stat) = stat {
                text.sample(&name, &mount.labels(), count(stat));
            }
        }
    }
    let name = "node_filesystem_device_error";
    text.family(name, Type::Gauge, "Whether its state could not be read.");
    for (mount, stat) in &stats {
        text.sample(name, &mount.labels(), u8::from(stat.is_none()));
    }
    let name = "node_filesystem_readonly";
    text.family(name, Type::Gauge, "Whether it is read-only.");
    for (mount, _) in &stats {
        text.sample(name, &mount.labels(), u8::from(mount.is_read_only));
    }
}

/// Returns the mounts of a `mountinfo` that are shown, in its order.
pub(super) fn mounts(mountinfo: &str) -> Vec<Mount> {
    let infos: Vec<MountInfo> =
        mountinfo.lines().filter_map(|line| MountInfo::from_line(line).ok()).collect();
    let tops: BTreeMap<&Path, i32> =
        infos.iter().map(|info| (info.mount_point.as_path(), info.mnt_id)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for info in &infos {
        let point = unescape(&info.mount_point.to_string_lossy());
        let is_below = |folder: &str| {
            point.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if TYPES_IGNORED.contains(&info.fs_type.as_str())
            || MOUNTS_IGNORED.iter().any(|folder| is_below(folder))
            || tops.get(info.mount_point.as_path()) != Some(&info.mnt_id)
            || !seen.insert(&info.majmin)
        {
            continue;
        }
        found.push(Mount {
            device: unescape(info.mount_source.as_deref().unwrap_or_default()),
            point,
            kind: info.fs_type.clone(),
            is_read_only: info.super_options.contains_key("ro"),
        });
    }
    found
}

impl Mount {
    fn labels(&self) -> [(&str, &str); 3] {
        [("device", &self.device), ("fstype", &self.kind), ("mountpoint", &self.point)]
    }
}

/// The kernel writes blanks and backslashes as `\040` and the like.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}
