//! Block devices and network interfaces.

use procfs::net::DeviceStatus;
use procfs::{Current as _, DiskStat, DiskStats};

use super::text::{Text, Type, seconds};

/// `/proc/diskstats` counts sectors of this size, whatever the device has.
const SECTOR: u64 = 512;
const MILLI: u64 = 1000;

type Field<T> = (&'static str, &'static str, fn(&T) -> u64);

const DISK_COUNTS: [Field<DiskStat>; 6] = [
    ("reads_completed_total", "Reads completed.", |disk| disk.reads),
    ("reads_merged_total", "Reads merged.", |disk| disk.merged),
    ("read_bytes_total", "Bytes read.", |disk| disk.sectors_read.saturating_mul(SECTOR)),
    ("writes_completed_total", "Writes completed.", |disk| disk.writes),
    ("writes_merged_total", "Writes merged.", |disk| disk.writes_merged),
    ("written_bytes_total", "Bytes written.", |disk| disk.sectors_written.saturating_mul(SECTOR)),
];
const DISK_TIMES: [Field<DiskStat>; 4] = [
    ("read_time_seconds_total", "Seconds spent by all reads.", |disk| disk.time_reading),
    ("write_time_seconds_total", "Seconds spent by all writes.", |disk| disk.time_writing),
    ("io_time_seconds_total", "Seconds spent doing I/O.", |disk| disk.time_in_progress),
    ("io_time_weighted_seconds_total", "Seconds spent doing I/O, weighted by the queue.", |disk| {
        disk.weighted_time_in_progress
    }),
];
const NETWORK: [Field<DeviceStatus>; 16] = [
    ("receive_bytes_total", "Bytes received.", |device| device.recv_bytes),
    ("receive_packets_total", "Packets received.", |device| device.recv_packets),
    ("receive_errs_total", "Receive errors.", |device| device.recv_errs),
    ("receive_drop_total", "Packets dropped on receipt.", |device| device.recv_drop),
    ("receive_fifo_total", "Receive queue overruns.", |device| device.recv_fifo),
    ("receive_frame_total", "Framing errors.", |device| device.recv_frame),
    ("receive_compressed_total", "Compressed packets received.", |device| device.recv_compressed),
    ("receive_multicast_total", "Multicast packets received.", |device| device.recv_multicast),
    ("transmit_bytes_total", "Bytes sent.", |device| device.sent_bytes),
    ("transmit_packets_total", "Packets sent.", |device| device.sent_packets),
    ("transmit_errs_total", "Send errors.", |device| device.sent_errs),
    ("transmit_drop_total", "Packets dropped on sending.", |device| device.sent_drop),
    ("transmit_fifo_total", "Send queue overruns.", |device| device.sent_fifo),
    ("transmit_colls_total", "Collisions.", |device| device.sent_colls),
    ("transmit_carrier_total", "Carrier losses.", |device| device.sent_carrier),
    ("transmit_compressed_total", "Compressed packets sent.", |device| device.sent_compressed),
];

pub(super) fn write(text: &mut Text) {
    if let Ok(DiskStats(disks)) = DiskStats::current() {
        write_disks(text, &disks);
    }
    if let Ok(devices) = procfs::net::dev_status() {
        let mut devices: Vec<DeviceStatus> = devices.into_values().collect();
        devices.sort_by(|left, right| left.name.cmp(&right.name));
        write_network(text, &devices);
    }
}

fn write_disks(text: &mut Text, disks: &[DiskStat]) {
    let disks: Vec<&DiskStat> = disks.iter().filter(|disk| !is_part(&disk.name)).collect();
    for (field, help, count) in DISK_COUNTS {
        let name = format!("node_disk_{field}");
        text.family(&name, Type::Counter, help);
        for disk in &disks {
            text.sample(&name, &[("device", &disk.name)], count(disk));
        }
    }
    for (field, help, count) in DISK_TIMES {
        let name = format!("node_disk_{field}");
        text.family(&name, Type::Counter, help);
        for disk in &disks {
            text.sample(&name, &[("device", &disk.name)], seconds(count(disk), MILLI));
        }
    }
    text.family("node_disk_io_now", Type::Gauge, "I/Os in progress.");
    for disk in &disks {
        text.sample("node_disk_io_now", &[("device", &disk.name)], disk.in_progress);
    }
}

fn write_network(text: &mut Text, devices: &[DeviceStatus]) {
    for (field, help, count) in NETWORK {
        let name = format!("node_network_{field}");
        text.family(&name, Type::Counter, help);
        for device in devices {
            text.sample(&name, &[("device", &device.name)], count(device));
        }
    }
}

/// Tells partitions and memory-backed devices from whole disks, as node_exporter does by default:
/// `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`, of which it keeps zram of late.
pub(super) fn is_part(name: &str) -> bool {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    match stem {
        "ram" | "loop" | "fd" => true,
        _ => {
            let disk = ["hd", "sd", "xvd", "vd"].iter().any(|start| {
                stem.strip_prefix(start).is_some_and(|letters| {
                    letters.len() == 1 && letters.bytes().all(|one| one.is_ascii_lowercase())
                })
            });
            disk || is_nvme_part(stem)
        }
    }
}

/// `nvme0n1p`, without the partition's number.
fn is_nvme_part(stem: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    stem.strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p'))
        .and_then(|rest| rest.split_once('n'))
        .is_some_and(|(controller, space)| digits(controller) && digits(space))
}
