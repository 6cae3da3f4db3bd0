//! Cancelling a message that nobody holds: it ends without a dead letter. What follows from what is core's to say; here
//! is what the API makes of it.

use relay_core::access::Grant;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Event, State, Status};
use relay_core::message::Message;
use relay_core::metrics::Metric;
use relay_core::ports::Settled;
use relay_core::settings::Tracking;
use tracing::Instrument;

use crate::again::{conflict, find};
use crate::codes::Code;
use crate::handlers::about;
use crate::observe::Facts;
use crate::problem::Problem;
use crate::router::App;

/// Cancels a message, if it is one of a sender that the key is for. One that was cancelled before stays so.
pub(crate) async fn cancel(app: &App, grant: &Grant, id: &RelayId) -> Result<Facts, Problem> {
    let ports = &app.accept.ports;
    let found = find(app, grant, id).await?;
    let facts = Facts::of(&found.message);
    let status = found.state.phase.status();
    if status == Status::Cancelled {
        return Ok(facts);
    }
    let takes = Status::takes(Event::Cancelled);
    if !takes.contains(&status) {
        return Err(conflict(status, &takes).about(facts));
    }
    if may_be_under_way(&found.state, app.accept.tracking()) {
        let detail = "its first attempt may be under way: with lean status tracking that is not written down";
        return Err(Problem::new(Code::StateConflict, detail).about(facts));
    }
    let Message { id, message_id, sender_id, .. } = &found.message;
    let cancelling = ports.store.cancel(id, &found.state.life, ports.ambient.now());
    match cancelling.instrument(about(id, message_id, sender_id)).await {
        Ok(Settled::Done(_)) => {
            app.recorder.count(Metric::Cancelled);
            Ok(facts)
        }
        Ok(Settled::Lost) => Err(conflict(status, &takes).about(facts)),
        Err(error) => Err(Problem::from(error).about(facts)),
    }
}

/// Whether a worker may be calling the target although the record does not show it.
fn may_be_under_way(state: &State, tracking: Tracking) -> bool {
    match tracking {
        Tracking::Full => false,
        Tracking::Lean => {
            let is_unattempted = matches!(state.phase.status(), Status::Pending | Status::Queued);
            is_unattempted && state.life.generation == Generation::default()
        }
    }
}
