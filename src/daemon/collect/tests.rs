//! What is collected here, on the host that runs the tests and from texts of other hosts.

use super::*;

#[test]
fn every_host_metric_that_the_stock_rules_read_is_there() {
    let file = include_str!("../../../rules/host.toml");
    let code = file.lines().filter(|line| !line.starts_with('#'));
    let rules = code.collect::<Vec<_>>().join("\n");
    let text = host_text(Timestamp(0)) + &own_text(&Metrics::new().unwrap());
    let mut names: Vec<&str> = rules
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("node_") || word.starts_with("process_"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(6 < names.len(), "{names:?}");
    for name in names {
        assert!(text.contains(&format!("\n# TYPE {name} ")), "{name} is missing");
    }
}

#[test]
fn families_are_written_once_and_their_samples_together() {
    let text = host_text(Timestamp(1_500));
    let mut seen = std::collections::BTreeSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(seen.insert(family), "{family} twice");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name, family, "{line}");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(text.contains("\nnode_time_seconds 1.5\n"));
    assert!(text.contains("node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} "));
}

#[test]
fn memory_fields_are_named_as_node_exporter_names_them() {
    let mut text = Text::default();
    kernel::write_memory(
        &mut text,
        "MemTotal:       16 kB\nActive(anon):   1 kB\nHugePages_Total:  7\nodd\nBad: x kB\n",
    );
    let samples = samples(text);
    assert_eq!(
        samples,
        [
            "node_memory_MemTotal_bytes 16384",
            "node_memory_Active_anon_bytes 1024",
            "node_memory_HugePages_Total 7"
        ]
    );
}

#[test]
fn protocol_tables_pair_names_with_values() {
    let mut text = Text::default();
    kernel::write_netstat(&mut text, "Tcp: RtoMin CurrEstab\nTcp: 200 4\nUdp: InErrors\nUdp: 9\n");
    let samples = samples(text);
    assert_eq!(samples, ["node_netstat_Tcp_CurrEstab 4", "node_netstat_Udp_InErrors 9"]);
}

#[test]
fn faults_and_kills_are_taken_from_vmstat() {
    let mut text = Text::default();
    kernel::write_vmstat(
        &mut text,
        "nr_free_pages 1\npgmajfault 2\npgsteal_kswapd 3\noom_kill 4\n",
    );
    assert_eq!(samples(text), ["node_vmstat_pgmajfault 2", "node_vmstat_oom_kill 4"]);
}

#[test]
fn pseudo_file_systems_and_the_mounts_of_a_sandbox_are_left_out() {
    let mounts = filesystem::mounts(
        "1 0 0:21 / /proc rw - proc proc rw\n\
         2 0 8:1 / / ro - ext4 /dev/sda1 rw\n\
         3 0 8:1 /var/x /var/lib/private/x rw - ext4 /dev/sda1 rw\n\
         4 0 0:40 / /run rw - tmpfs tmpfs rw\n\
         5 0 8:2 / /mnt/my\\040disk rw shared:1 - xfs /dev/sdb rw\n\
         6 0 8:3 / /var/lib/docker/x rw - ext4 /dev/sdc rw\n\
         7 0 8:4 / /srv rw - ext4 /dev/sdd ro\n\
         8 0 8:5 / /home rw - ext4 /dev/sde rw\n\
         9 0 0:25 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw\n\
         nonsense\n",
    );
    let shown: Vec<String> = mounts
        .iter()
        .map(|mount| format!("{} {} {}", mount.device, mount.point, mount.is_read_only))
        .collect();
    assert_eq!(shown, ["/dev/sda1 / false", "/dev/sdb /mnt/my disk false", "/dev/sdd /srv true"]);
}

#[test]
fn partitions_are_no_disks() {
    let cases = [
        ("sda", false),
        ("sda1", true),
        ("vdb12", true),
        ("nvme0n1", false),
        ("nvme0n1p2", true),
        ("loop7", true),
        ("dm-0", false),
        ("md127", false),
        ("zram0", false),
    ];
    for (name, expected) in cases {
        assert_eq!(device::is_part(name), expected, "{name}");
    }
}

#[test]
fn label_values_are_escaped() {
    let mut text = Text::default();
    text.sample("x", &[("a", "q\"b\\c\nd")], 1);
    assert_eq!(text.finish(), "x{a=\"q\\\"b\\\\c\\nd\"} 1\n");
}

#[test]
fn a_collection_that_hangs_holds_up_no_second_thread() {
    let collector = Collector::default();
    assert!(collector.host_text(Timestamp(0)).is_ok());
    collector.is_busy.store(true, Ordering::Release);
    assert!(collector.host_text(Timestamp(0)).unwrap_err().contains("still waits"));
}

#[test]
fn own_metrics_hold_the_process_and_the_instruments() {
    let text = own_text(&Metrics::new().unwrap());
    for name in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_start_time_seconds ",
        "watchbell_samples_ingested_total ",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name} is missing");
    }
}

fn samples(text: Text) -> Vec<String> {
    text.finish().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}
