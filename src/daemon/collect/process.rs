//! This process, under the names of the Prometheus client libraries.

use procfs::process::{LimitValue, Process, Stat};

use super::text::{Text, Type, seconds};

pub(super) fn write(text: &mut Text) {
    let Ok(process) = Process::myself() else { return };
    if let Ok(stat) = process.stat() {
        write_stat(text, &stat);
    }
    if let Ok(count) = process.fd_count() {
        let help = "Number of open file descriptors.";
        text.single("process_open_fds", Type::Gauge, help, count);
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        let help = "Maximum number of open file descriptors.";
        text.single("process_max_fds", Type::Gauge, help, most);
    }
}

fn write_stat(text: &mut Text, stat: &Stat) {
    let ticks = procfs::ticks_per_second();
    let cpu = seconds(stat.utime.saturating_add(stat.stime), ticks);
    let help = "Total user and system CPU time spent in seconds.";
    text.single("process_cpu_seconds_total", Type::Counter, help, cpu);
    let resident = stat.rss.saturating_mul(procfs::page_size());
    let help = "Resident memory size in bytes.";
    text.single("process_resident_memory_bytes", Type::Gauge, help, resident);
    let help = "Virtual memory size in bytes.";
    text.single("process_virtual_memory_bytes", Type::Gauge, help, stat.vsize);
    let help = "Number of threads.";
    text.single("process_threads", Type::Gauge, help, stat.num_threads);
    if let Ok(boot) = procfs::boot_time_secs() {
        let start = seconds(boot.saturating_mul(ticks).saturating_add(stat.starttime), ticks);
        let help = "Start time of the process since unix epoch in seconds.";
        text.single("process_start_time_seconds", Type::Gauge, help, start);
    }
}
