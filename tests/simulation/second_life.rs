//! The second life of ids: when records expire, every id is used anew for other content, while operators still move
//! dead letters of the first life about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use relay_core::invariants::Host;
use relay_core::time::Timestamp;
use tokio::task::JoinSet;

use crate::clients::{Client, Routers, id_of};
use crate::hosts::Services;
use crate::plan::Content;
use crate::ports::identity_of;

/// How long before the first record expires the second storm begins.
const EARLIER: Duration = Duration::from_secs(90);

/// Waits for the time at which records expire and lets the second storm begin; over when the storm is.
pub(crate) async fn begin(
    services: &Arc<Services>,
    routers: &Routers,
    posts: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let known = (0..services.plan.messages.len()).filter_map(|number| {
        let (state, _) = services.watch.state_and_calls(&id_of(number))?;
        Some((number, state.life.expires_at))
    });
    let mut known: Vec<(usize, Timestamp)> = known.collect();
    known.sort_by_key(|(_, expires_at)| *expires_at);
    let (Some((_, first)), Some((_, last))) = (known.first(), known.last()) else { return clients };
    services.asleep.store(true, Ordering::SeqCst);
    tokio::time::sleep(first.minus(EARLIER).since(services.clock.now())).await;
    services.asleep.store(false, Ordering::SeqCst);
    services.weather.set_calm(false);
    services.watch.note(Host(0), "the second storm begins");
    let now = services.clock.now();
    for (number, expires_at) in &known {
        let begins = expires_at.minus(Duration::from_secs(10)).since(now);
        let begins = begins + services.dice.millis(0, 50_000);
        let client = Client::new(services, routers, posts, *number);
        let planned = services.plan.messages[*number].clone();
        clients.spawn_local(client.begin(planned, begins, Content::Later));
        let moved = expires_at.minus(EARLIER).since(now) + services.dice.millis(0, 120_000);
        if services.dice.happens(500) {
            clients.spawn_local(move_back(Arc::clone(services), *number, moved));
        }
    }
    tokio::time::sleep(last.plus(EARLIER).since(services.clock.now())).await;
    clients
}

/// Moves a letter of this message back to the queue, if there is one.
async fn move_back(services: Arc<Services>, number: usize, begins: Duration) {
    tokio::time::sleep(begins).await;
    let letters = services.queue.dead_letters();
    let is_of = |letter| identity_of(letter).is_some_and(|(id, _)| id == id_of(number));
    if let Some(index) = letters.iter().position(is_of) {
        services.watched(&services.queue, Host(0)).move_back(index);
    }
}
