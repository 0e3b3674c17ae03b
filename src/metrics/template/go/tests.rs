use super::*;

#[test]
fn tmp_dump() {
    let labels = Labels::from_pairs([
        ("__name__", "x"),
        ("instance", "host.example.com:9100"),
        ("job", "node"),
        ("n", "5"),
    ]);
    let ext = Labels::from_pairs([("env", "prod"), ("zone", "eu")]);
    let q = |text: &str| -> Result<Vec<(Labels, f64)>, String> {
        Ok(if text == "up" {
            vec![
                (Labels::from_pairs([("__name__", "up"), ("job", "b"), ("instance", "i2")]), 2.0),
                (Labels::from_pairs([("__name__", "up"), ("job", "a"), ("instance", "i1")]), 1.0),
            ]
        } else {
            vec![]
        })
    };
    let scope = GoScope {
        labels: &labels,
        value: 1_234_567.0,
        external_labels: &ext,
        external_url: "http://prom.example:9090/pre",
        query: &q,
        now_ms: 120_000,
    };
    for line in std::fs::read_to_string("/tmp/orc/in.txt").unwrap().lines() {
        println!(
            "{line}  =>   {}",
            expand(line, "A", &scope)
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
        );
    }
}
