//! `relay smoke`: a short look at a relay from outside, after a deployment. It accepts, refuses and delivers a
//! few messages of its own and leaves them behind as any client would; it changes nothing else, and measures no load.

mod asking;
mod checks;
mod steps;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::Failure;
use crate::api::ApiArguments;
use crate::send::random_id;
use crate::terminal::line;

use asking::Relay;
use checks::Target;
use steps::Steps;

/// What a body has to exceed to be stored in the bucket, whatever the relay's settings keep in the table (256 KiB
/// at most): 300 KiB.
const LARGE_BODY_BYTES: usize = 300 * 1024;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiArguments,
    /// Where the messages go, by POST. Absent: RELAY_RECEIVER_URL of the file or the environment, or else the relay's
    /// own GET /health, so that no other host takes part.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// A target that does not take what it is sent: a message goes there and has to end as a dead letter. It stays
    /// one, and rings the alarm of dead letters.
    #[arg(long, value_name = "URL")]
    failing_target: Option<String>,
    /// The version that has to answer, such as 0.1.0. Absent: any will do.
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<String>,
    /// Who sends. The key has to allow it `send` and `read`.
    #[arg(long, visible_alias = "sender", default_value = "smoke-test")]
    sender_id: String,
    /// Longest the whole test may take.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let api = arguments.api.api()?;
    let run = format!("smoke-{}", random_id()?);
    // First, so that whoever reads the logs of a test that hangs knows what to look for.
    line(&format!("correlation id {run}"));
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout_seconds);
    let target = match arguments.target.as_deref().or(api.receiver_url()) {
        Some(url) => Target::given(url),
        None => Target::own_health(&api),
    };
    let mut steps = Steps::default();
    let most_tries = steps.most_tries();
    let relay = Relay { api, run, sender_id: arguments.sender_id, deadline, most_tries };
    steps.step("the relay is up", relay.is_up(arguments.expect_version.as_deref())).await;
    all(&relay, &target, arguments.failing_target.as_deref(), &mut steps).await;
    Ok(steps.end())
}

/// Every further step, each only if what it builds on was found to hold.
async fn all(relay: &Relay, target: &Target, failing_target: Option<&str>, steps: &mut Steps) {
    const DELIVERED: &str = "it is delivered";
    const DUPLICATE: &str = "the same message again is a duplicate";
    const LARGE: &str = "a body of 300 KiB is delivered";
    const DEAD: &str = "what cannot be delivered ends DEAD";

    steps.step("table, queue and bucket answer", relay.is_ready()).await;
    steps.step("a request without a key is refused", relay.refuses_strangers()).await;
    steps.step("a wrong message is refused by field", relay.refuses_nonsense()).await;

    let small = relay.message("small", target, target.takes_body.then_some(r#"{"smoke":true}"#));
    let accepted = steps.step("a message is accepted", relay.accepts(&small)).await;
    match accepted {
        Some(id) => {
            steps.step(DELIVERED, relay.delivers(&id)).await;
            steps.step(DUPLICATE, relay.knows(&small, &id)).await;
        }
        None => {
            steps.skip(DELIVERED, "none was accepted");
            steps.skip(DUPLICATE, "none was accepted");
        }
    }

    let body = format!("\"{}\"", "0123456789abcdef".repeat(LARGE_BODY_BYTES / 16));
    let large = relay.message("large", target, Some(&body));
    steps.step(LARGE, relay.delivers_whole(&large, body.len())).await;

    match failing_target {
        Some(url) => {
            let doomed = relay.message("doomed", &Target::given(url), Some(r#"{"smoke":true}"#));
            steps.step(DEAD, relay.gives_up(&doomed)).await;
        }
        None => steps.skip(DEAD, "no --failing-target was given"),
    }
}
