//! `relay dead`: the dead letters there are, and one message as the table has it. Changes nothing.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use relay_core::lifecycle::Phase;
use relay_operate::{Listed, Stop};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::document::document;
use crate::filter::{FilterArguments, relay_id};
use crate::show::told;
use crate::terminal::{compact, indented, line, note, table};
use crate::{Failure, REFUSED, SOME_FAILED};

/// Dead letters listed if nothing else is asked for: more than a person reads, and a second's work.
const LISTED: usize = 100;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List dead letters, the newest first.
    List(ListArguments),
    /// Show a message as the table has it, dead or not: every attempt, and whether it was buried.
    Show(ShowArguments),
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    deployment: Deployment,
    #[command(flatten)]
    filter: FilterArguments,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = LISTED)]
    limit: usize,
    /// Print one JSON object for each.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    deployment: Deployment,
    /// The relay's id (msg_…), or the sender's own id together with --sender-id.
    id: String,
    /// Whose message it is, if the id is the sender's own.
    #[arg(long)]
    sender_id: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List(arguments) => list(arguments).await,
        Command::Show(arguments) => show(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Result<ExitCode, Failure> {
    let operator = arguments.deployment.connect(&Stop::default()).await?;
    let filter = arguments.filter.filter(operator.going.ambient.now())?;
    // One more than is shown says that there are more.
    let asked = arguments.limit.saturating_add(1);
    let mut listed = operator.a_few_dead_letters(asked).list_dead(&filter, asked).await?;
    let has_more = listed.len() > arguments.limit;
    listed.truncate(arguments.limit);
    if arguments.json {
        listed.iter().for_each(|listed| line(&compact(&entry(listed))));
    } else if !listed.is_empty() {
        line(&told_as_table(&listed));
    }
    if listed.is_empty() {
        note("no dead letters");
    }
    if has_more {
        note("there are more; --limit shows more of them");
    }
    let unreadable: Vec<_> =
        listed.iter().filter_map(|listed| listed.found.as_ref().err()).collect();
    let Some(first) = unreadable.first() else { return Ok(ExitCode::SUCCESS) };
    let count = unreadable.len();
    note(&format!("{count} cannot be read, and may be none that was asked for: {first}"));
    Ok(ExitCode::from(SOME_FAILED))
}

/// One dead letter as JSON; of one that cannot be read, what is known.
fn entry(listed: &Listed) -> Value {
    let mut entry = match &listed.found {
        Ok(found) => document(found),
        Err(error) => json!({"id": listed.id.as_str(), "error": error.to_string()}),
    };
    entry["diedAt"] = json!(listed.at.to_string());
    entry
}

async fn show(arguments: ShowArguments) -> Result<ExitCode, Failure> {
    let id = relay_id(&arguments.id, arguments.sender_id.as_deref())?;
    let operator = arguments.deployment.connect(&Stop::default()).await?;
    let Some(found) = operator.store.find(&id, operator.going.ambient.now()).await? else {
        note(&format!("{id}: there is no such message, or not any more"));
        return Ok(ExitCode::from(REFUSED));
    };
    let document = document(&found);
    if arguments.json {
        line(&indented(&document));
    } else {
        line(told(&document).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn told_as_table(listed: &[Listed]) -> String {
    let head = ["ID", "SINCE", "REASON", "ATTEMPTS", "DESTINATION", "LAST OUTCOME"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(listed.iter().map(|Listed { id, at, found }| {
        let (id, at) = (id.to_string(), at.to_string());
        let Ok(found) = found else {
            return [
                id,
                at,
                "(unreadable)".to_owned(),
                String::new(),
                String::new(),
                String::new(),
            ];
        };
        let (message, state) = (&found.message, &found.state);
        let reason = match &state.phase {
            Phase::Dead { reason, .. } => reason.as_str(),
            Phase::Pending
            | Phase::Queued
            | Phase::Processing { .. }
            | Phase::Retrying { .. }
            | Phase::Delivered
            | Phase::Cancelled => "",
        };
        let last = state.outcomes.last();
        [
            id,
            at,
            reason.to_owned(),
            state.attempts.to_string(),
            message.target.destination(),
            last.map(|last| last.summary()).unwrap_or_default(),
        ]
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use relay_core::lifecycle::State;
    use relay_core::outcome::DeadReason;
    use relay_core::ports::{Found, PortError};
    use relay_testkit::sample;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_a_word_of_the_target() {
        let message = sample::message("m", 1);
        let mut state = State::unwritten(message.first_life(), sample::at(5));
        state.phase = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
        (state.attempts, state.outcomes) = (3, vec![sample::attempt(3, 503)]);
        let (id, at) = (message.id.clone(), sample::at(4));
        let error = PortError::Corrupt { action: "finding a message", reason: "torn".to_owned() };
        let unreadable = Listed { id: id.clone(), at, found: Err(error) };
        let expected = json!({
            "id": id.as_str(), "diedAt": "2100-01-01T00:00:00.004Z",
            "error": "finding a message found something unreadable: torn",
        });
        assert_eq!(entry(&unreadable), expected);
        let readable = Listed { id, at, found: Ok(Box::new(Found { message, state })) };
        assert_eq!(entry(&readable)["diedAt"], "2100-01-01T00:00:00.004Z");
        expect_test::expect![[r#"
            ID                                    SINCE                     REASON              ATTEMPTS  DESTINATION              LAST OUTCOME
            msg_dg3cn3dpmrcqfjay5af5mlfrmjv7kkdm  2100-01-01T00:00:00.004Z  attempts_exhausted  3         https://api.example.com  attempt 3: status 503 after 12 ms
            msg_dg3cn3dpmrcqfjay5af5mlfrmjv7kkdm  2100-01-01T00:00:00.004Z  (unreadable)"#]].assert_eq(&told_as_table(&[readable, unreadable]));
    }
}
