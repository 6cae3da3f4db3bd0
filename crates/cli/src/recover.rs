//! `relay recover`: messages whose queue item is lost go into the queue again, in the life they are in.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use relay_operate::recover::RecoverOutcome;
use relay_operate::{Ended, RecoverOptions, Recovered, Stop};

use crate::Failure;
use crate::deployment::{Deployment, Operator};
use crate::filter::{rate, span};
use crate::interrupt::until_interrupted;
use crate::work::{Done, End, Telling, Work};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    deployment: Deployment,
    /// How long nothing has moved a message on although something could have: 90s, 15m, 2h or 3d.
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "1h")]
    older_than: Duration,
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

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let stop = Stop::default();
    let operator = arguments.deployment.connect(&stop).await?;
    let telling = Telling::trouble_or_json(arguments.json);
    let mut work = Work::new("sent to the queue", telling, arguments.dry_run);
    let end = until_interrupted(&stop, all(&operator, &arguments, &mut work)).await?;
    Ok(work.end(&end.unwrap_or(End::Interrupted)))
}

async fn all(operator: &Operator, arguments: &Arguments, work: &mut Work) -> End {
    let options = RecoverOptions {
        older_than: arguments.older_than,
        dry_run: arguments.dry_run,
        per_second: arguments.rate,
    };
    let mut on = |Recovered { id, found, outcome }: Recovered| {
        let generation = found.as_ref().map(|found| found.state.life.generation);
        let done = match outcome {
            RecoverOutcome::Counted => Done::Counted,
            RecoverOutcome::Sent => Done::Sent(generation.unwrap_or_default()),
            RecoverOutcome::NoBody => Done::NoBody,
            RecoverOutcome::Failed(error) => Done::Failed(error),
        };
        work.tell(&id, found.as_deref(), &done);
    };
    match operator.recover().recover(&options, &mut on).await {
        Ok(Ended::Whole) => End::Whole,
        Ok(Ended::Interrupted) => End::Interrupted,
        Err(error) => End::Stopped(error.into()),
    }
}
