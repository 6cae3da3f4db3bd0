//! `relay dead`: the dead letters there are, and one message as the table has it. Changes nothing.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use relay_core::lifecycle::Phase;
use relay_core::ports::Found;

use crate::deployment::Deployment;
use crate::document::document;
use crate::filter::{FilterArguments, relay_id};
use crate::interrupt::Stop;
use crate::show::told;
use crate::terminal::{line, table};
use crate::{Failure, REFUSED};

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
        listed.iter().for_each(|found| line(&document(found).to_string()));
    } else if !listed.is_empty() {
        line(&told_as_table(&listed));
    }
    if listed.is_empty() {
        eprintln!("relay: no dead letters");
    }
    if has_more {
        eprintln!("relay: there are more; --limit shows more of them");
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(arguments: ShowArguments) -> Result<ExitCode, Failure> {
    let id = relay_id(&arguments.id, arguments.sender_id.as_deref())?;
    let operator = arguments.deployment.connect(&Stop::default()).await?;
    let Some(found) = operator.store.find(&id, operator.going.ambient.now()).await? else {
        eprintln!("relay: {id}: there is no such message, or not any more");
        return Ok(ExitCode::from(REFUSED));
    };
    let document = document(&found);
    if arguments.json {
        line(&format!("{document:#}"));
    } else {
        line(told(&document).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn told_as_table(listed: &[Found]) -> String {
    let head = ["ID", "SINCE", "REASON", "ATTEMPTS", "DESTINATION", "LAST OUTCOME"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(listed.iter().map(|Found { message, state }| {
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
            message.id.to_string(),
            state.updated_at.to_string(),
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
    use relay_testkit::sample;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_a_word_of_the_target() {
        let message = sample::message("m", 1);
        let mut state = State::unwritten(message.first_life(), sample::at(5));
        state.phase = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
        (state.attempts, state.outcomes) = (3, vec![sample::attempt(3, 503)]);
        let found = Found { message, state };
        expect_test::expect![[r#"
            ID                                    SINCE                     REASON              ATTEMPTS  DESTINATION              LAST OUTCOME
            msg_dg3cn3dpmrcqfjay5af5mlfrmjv7kkdm  2100-01-01T00:00:00.005Z  attempts_exhausted  3         https://api.example.com  attempt 3: status 503 after 12 ms"#]].assert_eq(&told_as_table(&[found]));
    }
}
