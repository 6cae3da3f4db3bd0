//! The report as one page: plots and tables, with everything it needs inside.

use std::fmt::Write as _;

use crate::plots::{self, PlotError};
use crate::report::{Report, shown};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:960px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;color:#555}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #e5e5e5;font-weight:400}\
th{color:#777}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}svg{width:100%;height:auto}\
.ok{color:#1e7a46}.bad{color:#b3261e;font-weight:600}code{font-size:.85em}";

/// The page.
///
/// # Errors
/// When a plot cannot be drawn.
pub(crate) fn page(report: &Report) -> Result<String, PlotError> {
    let (class, verdict) = if report.holds { ("ok", "passed") } else { ("bad", "failed") };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{scenario}: {verdict}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>{scenario}: <span class=\"{class}\">{verdict}</span></h1>\n\
         <p>{surroundings}</p>\n<p>{seconds:.1} s, then {settling:.1} s until all was settled; a second {rates}; \
         {bulk} in a request; seed {seed}; run <code>{run}</code></p>\n",
        scenario = escaped(report.scenario),
        surroundings = escaped(&report.surroundings()),
        seconds = report.seconds,
        settling = report.settling_seconds,
        rates = report.rates(),
        bulk = report.bulk,
        seed = report.seed,
        run = escaped(&report.run),
    );
    page.push_str(&thresholds(report));
    for (title, about, plot) in [
        (
            "Rates",
            "Offered is what the schedule asks for, whatever the relay does.",
            plots::rates(report)?,
        ),
        (
            "Latency over time",
            "Each from the moment at which the message was due to be sent, at the time of its answer or arrival.",
            plots::latencies(report)?,
        ),
        (
            "Latency by percentile",
            "The whole run; each labelled step to the right leaves out a tenth of what the one before did.",
            plots::percentiles(report)?,
        ),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(page, "<h2>{title}</h2>\n<p>{about}</p>\n{plot}\n");
    }
    page.push_str(&latencies(report));
    page.push_str(&counts(report));
    page.push_str("</body></html>\n");
    Ok(page)
}

fn thresholds(report: &Report) -> String {
    let mut text = "<h2>Thresholds</h2>\n<table>".to_owned();
    for one in &report.thresholds {
        let (class, word) = if one.holds { ("ok", "ok") } else { ("bad", "failed") };
        let _ = write!(
            text,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"{class}\">{word}</td></tr>",
            escaped(&one.rule()),
            one.found()
        );
    }
    text + "</table>\n"
}

fn latencies(report: &Report) -> String {
    let mut text = "<h2>Latencies, in milliseconds</h2>\n<table><tr><th></th>".to_owned();
    for column in ["count", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"] {
        let _ = write!(text, "<th class=\"n\">{column}</th>");
    }
    text.push_str("</tr>");
    for (name, one) in report.latencies() {
        let _ = write!(text, "<tr><td>{name}</td><td class=\"n\">{}</td>", one.count);
        for value in [one.min, one.mean, one.p50, one.p90, one.p95, one.p99, one.p999, one.max] {
            let _ = write!(text, "<td class=\"n\">{}</td>", shown(value));
        }
        text.push_str("</tr>");
    }
    text + "</table>\n"
}

fn counts(report: &Report) -> String {
    let mut text = "<h2>Messages</h2>\n<table>".to_owned();
    for (name, value) in report.rows() {
        let _ = write!(text, "<tr><td>{name}</td><td>{}</td></tr>", escaped(&value));
    }
    text.push_str("</table>\n");
    let processors = report.processors();
    if !processors.is_empty() {
        text.push_str("<h2>Processors</h2>\n<p>Mean use during the schedule; 1.00 is one processor all the time.</p>\n<table>");
        for (name, part) in processors {
            let _ =
                write!(text, "<tr><td>{}</td><td class=\"n\">{part:.2}</td></tr>", escaped(name));
        }
        text.push_str("</table>\n");
    }
    if !report.changes.is_empty() {
        text.push_str("<h2>Changed settings and parameters</h2>\n<table>");
        for (name, value) in &report.changes {
            let _ = write!(text, "<tr><td>{}</td><td>{}</td></tr>", escaped(name), escaped(value));
        }
        text.push_str("</table>\n");
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::threshold::{Bound, Judgement};

    #[test]
    fn a_page_needs_nothing_else_and_shows_what_failed() {
        let failed = Judgement {
            name: "lost",
            bound: Bound::AtMost,
            limit: 0.0,
            found: Some(3.0),
            holds: false,
        };
        let report = Report {
            scenario: "steady",
            relay: "https://<relay>".to_owned(),
            thresholds: vec![failed],
            ..Report::default()
        };
        let page = page(&report).unwrap();
        assert!(page.contains(
            "<td>lost at most 0</td><td class=\"n\">3</td><td class=\"bad\">failed</td>"
        ));
        assert!(page.contains("https://&lt;relay&gt;"));
        assert_eq!(page.matches("<svg").count(), 3);
        for outside in ["<script", "<link", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
