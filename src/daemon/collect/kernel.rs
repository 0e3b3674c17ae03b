//! CPU, load, memory, pressure and what else the kernel counts for the whole host.

use std::fs;

use procfs::{
    CpuPressure, CpuTime, Current as _, CurrentSI as _, IoPressure, KernelStats, LoadAverage,
    MemoryPressure,
};
use watchbell_paging::time::Timestamp;

use super::text::{Text, Type, seconds};

/// Fields of `/proc/vmstat` that are shown: node_exporter's default choice.
const VMSTAT_STARTS: [&str; 4] = ["oom_kill", "pgpg", "pswp", "pg"];
/// Fields of the protocol tables that are shown.
const NETSTAT: [&str; 24] = [
    "Icmp_InErrors",
    "Icmp_InMsgs",
    "Icmp_OutMsgs",
    "Ip_Forwarding",
    "IpExt_InOctets",
    "IpExt_OutOctets",
    "TcpExt_ListenDrops",
    "TcpExt_ListenOverflows",
    "TcpExt_SyncookiesSent",
    "TcpExt_TCPTimeouts",
    "Tcp_ActiveOpens",
    "Tcp_CurrEstab",
    "Tcp_InErrs",
    "Tcp_InSegs",
    "Tcp_OutRsts",
    "Tcp_OutSegs",
    "Tcp_PassiveOpens",
    "Tcp_RetransSegs",
    "Udp_InDatagrams",
    "Udp_InErrors",
    "Udp_NoPorts",
    "Udp_OutDatagrams",
    "Udp_RcvbufErrors",
    "Udp_SndbufErrors",
];

pub(super) fn write(text: &mut Text, now: Timestamp) {
    if let Ok(stats) = KernelStats::current() {
        write_stats(text, &stats);
    }
    if let Ok(load) = LoadAverage::current() {
        text.single("node_load1", Type::Gauge, "1m load average.", load.one);
        text.single("node_load5", Type::Gauge, "5m load average.", load.five);
        text.single("node_load15", Type::Gauge, "15m load average.", load.fifteen);
    }
    write_memory(text, &read("/proc/meminfo"));
    write_vmstat(text, &read("/proc/vmstat"));
    write_files(text, &read("/proc/sys/fs/file-nr"));
    write_netstat(text, &(read("/proc/net/snmp") + &read("/proc/net/netstat")));
    write_pressure(text);
    let wall = now.as_millis();
    #[allow(clippy::cast_precision_loss, reason = "milliseconds stay far below 2^53")]
    let wall = wall as f64 / 1000.0;
    text.single("node_time_seconds", Type::Gauge, "System time in seconds since epoch.", wall);
    write_name(text);
}

fn write_stats(text: &mut Text, stats: &KernelStats) {
    let ticks = procfs::ticks_per_second();
    let name = "node_cpu_seconds_total";
    text.family(name, Type::Counter, "Seconds the CPUs spent in each mode.");
    for (index, cpu) in stats.cpu_time.iter().enumerate() {
        let cpu_name = index.to_string();
        for (mode, count) in modes(cpu) {
            text.sample(name, &[("cpu", &cpu_name), ("mode", mode)], seconds(count, ticks));
        }
    }
    let name = "node_cpu_guest_seconds_total";
    text.family(name, Type::Counter, "Seconds the CPUs spent in guests for each mode.");
    for (index, cpu) in stats.cpu_time.iter().enumerate() {
        let cpu_name = index.to_string();
        for (mode, count) in [("user", cpu.guest), ("nice", cpu.guest_nice)] {
            let count = count.unwrap_or(0);
            text.sample(name, &[("cpu", &cpu_name), ("mode", mode)], seconds(count, ticks));
        }
    }
    let total = |text: &mut Text, name, help, value: u64| {
        text.single(name, Type::Counter, help, value);
    };
    total(text, "node_context_switches_total", "Total number of context switches.", stats.ctxt);
    total(text, "node_forks_total", "Total number of forks.", stats.processes);
    let gauge = |text: &mut Text, name, help, value: Option<u64>| {
        if let Some(value) = value {
            text.single(name, Type::Gauge, help, value);
        }
    };
    let boot = Some(stats.btime);
    gauge(text, "node_boot_time_seconds", "Node boot time, in unixtime.", boot);
    let running = stats.procs_running.map(u64::from);
    gauge(text, "node_procs_running", "Number of processes in runnable state.", running);
    let blocked = stats.procs_blocked.map(u64::from);
    gauge(text, "node_procs_blocked", "Number of processes blocked waiting for I/O.", blocked);
}

fn modes(cpu: &CpuTime) -> [(&'static str, u64); 8] {
    [
        ("idle", cpu.idle),
        ("iowait", cpu.iowait.unwrap_or(0)),
        ("irq", cpu.irq.unwrap_or(0)),
        ("nice", cpu.nice),
        ("softirq", cpu.softirq.unwrap_or(0)),
        ("steal", cpu.steal.unwrap_or(0)),
        ("system", cpu.system),
        ("user", cpu.user),
    ]
}

/// `MemTotal:  16 kB` becomes `node_memory_MemTotal_bytes`, `Active(anon)` `..._Active_anon_bytes`.
pub(super) fn write_memory(text: &mut Text, meminfo: &str) {
    for line in meminfo.lines() {
        let Some((field, rest)) = line.split_once(':') else { continue };
        let mut words = rest.split_whitespace();
        let Some(value) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
        let field = field.replace('(', "_").replace(')', "");
        let (name, value) = match words.next() {
            Some("kB") => (format!("node_memory_{field}_bytes"), value.saturating_mul(1024)),
            Some(_) | None => (format!("node_memory_{field}"), value),
        };
        text.single(&name, Type::Gauge, "A field of /proc/meminfo.", value);
    }
}

pub(super) fn write_vmstat(text: &mut Text, vmstat: &str) {
    for line in vmstat.lines() {
        let Some((field, value)) = line.split_once(' ') else { continue };
        let is_shown = VMSTAT_STARTS.iter().any(|start| field.starts_with(start))
            && (!field.starts_with("pg") || field.starts_with("pgpg") || field.contains("fault"));
        if is_shown && value.parse::<i64>().is_ok() {
            let name = format!("node_vmstat_{field}");
            text.single(&name, Type::Untyped, "A field of /proc/vmstat.", value);
        }
    }
}

fn write_files(text: &mut Text, file_nr: &str) {
    let fields: Vec<&str> = file_nr.split_whitespace().collect();
    let [allocated, _, maximum] = fields.as_slice() else { return };
    text.single("node_filefd_allocated", Type::Gauge, "Open file descriptors.", allocated);
    text.single("node_filefd_maximum", Type::Gauge, "The most that may be open.", maximum);
}

/// The tables have two lines for each protocol: names, then values.
pub(super) fn write_netstat(text: &mut Text, tables: &str) {
    let mut lines = tables.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((_, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            continue;
        };
        for (field, value) in names.split_whitespace().zip(values.split_whitespace()) {
            let key = format!("{protocol}_{field}");
            if NETSTAT.contains(&key.as_str()) && value.parse::<i64>().is_ok() {
                let name = format!("node_netstat_{key}");
                text.single(&name, Type::Untyped, "A field of the protocol tables.", value);
            }
        }
    }
}

fn write_pressure(text: &mut Text) {
    let mut put = |name: &str, help: &str, micros: u64| {
        let name = format!("node_pressure_{name}_seconds_total");
        text.single(&name, Type::Counter, help, seconds(micros, 1_000_000));
    };
    if let Ok(cpu) = CpuPressure::current() {
        put("cpu_waiting", "Time that processes have waited for CPU time.", cpu.some.total);
    }
    if let Ok(io) = IoPressure::current() {
        put("io_waiting", "Time that processes have waited for I/O.", io.some.total);
        put("io_stalled", "Time no process could make progress for I/O.", io.full.total);
    }
    if let Ok(memory) = MemoryPressure::current() {
        put("memory_waiting", "Time that processes have waited for memory.", memory.some.total);
        put("memory_stalled", "Time no process could progress for memory.", memory.full.total);
    }
}

fn write_name(text: &mut Text) {
    let uname = rustix::system::uname();
    let show = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let parts = [
        ("domainname", show(uname.domainname())),
        ("machine", show(uname.machine())),
        ("nodename", show(uname.nodename())),
        ("release", show(uname.release())),
        ("sysname", show(uname.sysname())),
        ("version", show(uname.version())),
    ];
    let labels: Vec<(&str, &str)> =
        parts.iter().map(|(name, value)| (*name, value.as_str())).collect();
    text.family("node_uname_info", Type::Gauge, "Labels of the uname system call.");
    text.sample("node_uname_info", &labels, 1);
}

/// Returns a file's text, or nothing where it cannot be read.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
