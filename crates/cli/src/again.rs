//! `relay redrive` and `relay resend`: messages that ended go once more, by their ids or, dead letters, by
//! a filter. What may go again is core's to say, and each message is decided on by its record alone.

use std::process::ExitCode;

use clap::Args;
use relay_core::identity::RelayId;
use relay_core::lifecycle::Again;
use relay_operate::dead::RedriveOutcome;
use relay_operate::{
    DeadFilter, Ended, Gone, Pace, RedriveOptions, Redriven, SetGoing, Stop, Stopped, can_go,
};

use crate::Failure;
use crate::deployment::{Deployment, Operator};
use crate::filter::{FilterArguments, rate, relay_ids};
use crate::interrupt::until_interrupted;
use crate::work::{Done, End, Telling, Work};

/// How it is done, whichever messages are meant.
#[derive(Args)]
struct Manner {
    /// At most so many messages a second; as fast as the services take them if absent.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<u32>,
    /// Send nothing; count what would be sent.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object for each message and one for the totals.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct RedriveArguments {
    #[command(flatten)]
    deployment: Deployment,
    /// The relay's ids (msg_…), or the sender's own together with --sender-id. Without any, the filter
    /// says which dead letters.
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Every dead letter there is now.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Args)]
pub(crate) struct ResendArguments {
    #[command(flatten)]
    deployment: Deployment,
    /// The relay's ids (msg_…), or the sender's own together with --sender-id.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Whose messages they are, if the ids are the sender's own.
    #[arg(long)]
    sender_id: Option<String>,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) async fn redrive(arguments: RedriveArguments) -> Result<ExitCode, Failure> {
    let RedriveArguments { deployment, ids, filter, all, manner } = arguments;
    let is_filtered = filter.is_more_than_a_sender();
    if !ids.is_empty() && (all || is_filtered) {
        let text = "ids and a filter exclude each other (--sender-id says whose the ids are)";
        return Err(Failure::Usage(text.to_owned()));
    }
    if ids.is_empty() && !all && !is_filtered && filter.sender_id.is_none() {
        let text = "nothing says which dead letters: give ids, a filter or --all";
        return Err(Failure::Usage(text.to_owned()));
    }
    let ids = relay_ids(&ids, filter.sender_id.as_deref())?;
    if !ids.is_empty() {
        return by_id(&deployment, &ids, Again::Redrive, &manner).await;
    }
    let stop = Stop::default();
    let operator = deployment.connect(&stop).await?;
    let filter = filter.filter(operator.going.ambient.now())?;
    let mut work = Work::new("redriven", Telling::trouble_or_json(manner.json), manner.dry_run);
    let end = until_interrupted(&stop, by_filter(&operator, &filter, &manner, &mut work)).await?;
    Ok(work.end(&end.unwrap_or(End::Interrupted)))
}

pub(crate) async fn resend(arguments: ResendArguments) -> Result<ExitCode, Failure> {
    let ResendArguments { deployment, ids, sender_id, manner } = arguments;
    let ids = relay_ids(&ids, sender_id.as_deref())?;
    by_id(&deployment, &ids, Again::Resend, &manner).await
}

async fn by_filter(
    operator: &Operator,
    filter: &DeadFilter,
    manner: &Manner,
    work: &mut Work,
) -> End {
    let options = RedriveOptions { dry_run: manner.dry_run, per_second: manner.rate };
    let mut on = |Redriven { id, found, outcome }| {
        let done = match outcome {
            RedriveOutcome::Counted => Done::Counted,
            RedriveOutcome::Again(generation) => Done::Sent(generation),
            RedriveOutcome::MovedOn(_) => Done::MovedOn,
            RedriveOutcome::NoBody => Done::NoBody,
            RedriveOutcome::Failed(error) => Done::Failed(error),
        };
        work.tell(&id, found.as_deref(), &done);
    };
    match operator.dead_letters().redrive_many(filter, &options, &mut on).await {
        Ok(Ended::Whole) => End::Whole,
        Ok(Ended::Interrupted) => End::Interrupted,
        Err(error) => End::Stopped(error.into()),
    }
}

async fn by_id(
    deployment: &Deployment,
    ids: &[RelayId],
    again: Again,
    manner: &Manner,
) -> Result<ExitCode, Failure> {
    let stop = Stop::default();
    let operator = deployment.connect(&stop).await?;
    let verb = match again {
        Again::Redrive => "redriven",
        Again::Resend => "resent",
    };
    let mut work = Work::new(verb, Telling::trouble_or_json(manner.json), manner.dry_run);
    let each = async {
        let mut pace = Pace::new(manner.rate);
        for id in ids {
            pace.step().await;
            if stop.was_asked() {
                return End::Interrupted;
            }
            let done = one(&operator.going, id, again, manner.dry_run).await;
            work.tell(id, None, &done);
        }
        End::Whole
    };
    let end = until_interrupted(&stop, each).await?;
    Ok(work.end(&end.unwrap_or(End::Interrupted)))
}

async fn one(going: &SetGoing, id: &RelayId, again: Again, dry_run: bool) -> Done {
    if dry_run {
        return match going.store.find(id, going.ambient.now()).await {
            Ok(Some(found)) if can_go(&found.state, again) => Done::Counted,
            Ok(Some(found)) => Done::Refused(found.state.phase.status()),
            Ok(None) => Done::Unknown,
            Err(error) => Done::Failed(error),
        };
    }
    match going.again(id, again).await {
        Ok(Gone::Again(generation)) => Done::Sent(generation),
        Ok(Gone::Refused(status)) => Done::Refused(status),
        Ok(Gone::NoBody) => Done::NoBody,
        Ok(Gone::Unknown) => Done::Unknown,
        Err(Stopped(error)) => Done::Failed(error),
    }
}
