//! Prints what a million messages cost, all units computed. `relay-bench` prints the same with what it counts.
//! `--json` prints everything as JSON, `--items NAME` one setup item by item, `--assumptions` what is taken for granted.

use std::process::ExitCode;

use relay_cost::{Report, defaults, report};

const USAGE: &str = "usage: relay-cost [--json | --items NAME | --assumptions]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let written = match defaults()
        .and_then(|profiles| report(&profiles))
        .map(|report| write(&report, &arguments))
    {
        Ok(Ok(Some(text))) => text,
        Ok(Ok(None)) => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
        Ok(Err(error)) => {
            eprintln!("the report cannot be written as JSON: {error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            eprintln!("{error}: {cause}");
            return ExitCode::FAILURE;
        }
    };
    println!("{written}");
    ExitCode::SUCCESS
}

/// What was asked for; None if that cannot be understood.
fn write(report: &Report, arguments: &[String]) -> Result<Option<String>, serde_json::Error> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        [] => Some(report.to_string()),
        ["--json"] => Some(serde_json::to_string_pretty(report)?),
        ["--items", name] => report.itemised(name),
        ["--assumptions"] => {
            let rows = report.assumptions.named().into_iter().map(|(name, assumption)| {
                format!(
                    "| `{name}` | {} {} | {} |",
                    assumption.value, assumption.unit, assumption.source
                )
            });
            let rows: Vec<String> = rows.collect();
            Some(format!("| assumption | value | source |\n|---|---|---|\n{}", rows.join("\n")))
        }
        _ => None,
    })
}
