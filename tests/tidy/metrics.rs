//! docs/METRICS.md says what the code's table of metrics says, row by row.

use relay_core::metrics::{DIMENSION, Kind, Metric, NAMESPACE, Recording};
use relay_tests::read;

use crate::assert_none;

const DOCUMENT: &str = "docs/METRICS.md";
/// The heading of the table.
const HEADING: &str = "| Name | Unit | Kind | Function | One value means |";

fn row(metric: Metric) -> String {
    let row = metric.definition();
    let kind = match row.kind {
        Kind::Counter => "sum",
        Kind::Distribution => "values",
    };
    let by = match row.by {
        Recording::Ingest => "ingest",
        Recording::Worker => "worker",
        Recording::Reconciler => "reconciler",
        Recording::IngestAndWorker => "ingest, worker",
        Recording::WorkerAndReconciler => "worker, reconciler",
        Recording::All => "all three",
    };
    format!("| `{}` | {} | {kind} | {by} | {} |", row.name, row.unit.as_str(), row.meaning)
}

#[test]
fn every_metric_is_documented_as_the_code_has_it_and_nothing_else() {
    let text = read(DOCUMENT);
    let table = text.lines().skip_while(|line| *line != HEADING).skip(2);
    let documented: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = Metric::ALL.iter().copied().map(row).collect();
    let missing = expected.iter().filter(|row| !documented.contains(&row.as_str()));
    let wrong = documented.iter().filter(|row| !expected.iter().any(|expected| expected == **row));
    let findings = missing.map(|row| format!("missing {row}"));
    let findings = findings.chain(wrong.map(|row| format!("not in the code {row}")));
    assert_none(DOCUMENT, &findings.collect::<Vec<_>>());
    assert_eq!(documented, expected, "in the code's order, and none twice");
}

#[test]
fn namespace_and_dimension_are_named() {
    let text = read(DOCUMENT);
    for name in [NAMESPACE, DIMENSION] {
        assert!(text.contains(&format!("`{name}`")), "{DOCUMENT} does not name {name}");
    }
}
