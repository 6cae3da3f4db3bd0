//! Those who look after a relay: the reconciler on its schedule, and people who set messages going again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use relay_core::identity::RelayId;
use relay_core::invariants::{Host, Invariant, Observed, Violation};
use serde_json::json;
use tower::ServiceExt;

use crate::clients::{Routers, ask, id_of};
use crate::hosts::Services;
use crate::mortal::Mortal;

/// How often the reconciler runs, as the template has it.
pub(crate) const RECONCILED_EVERY: Duration = Duration::from_secs(300);
/// How long a run may take.
const RUN_MAX: Duration = Duration::from_secs(120);
/// How many awaits a run that dies reaches at most.
const AWAITS_MAX: u64 = 40;
/// How often a person looks at the relay.
const LOOK: Duration = Duration::from_secs(12);
/// Whom people are in reports.
const PEOPLE: Host = Host(0);

/// Runs the reconciler for ever.
pub(crate) async fn reconcile(services: Arc<Services>) {
    let mut machine = services.start();
    loop {
        tokio::time::sleep(RECONCILED_EVERY).await;
        if services.asleep.load(Ordering::SeqCst) {
            continue;
        }
        let reconciler = services.reconciler(&machine);
        let ends = machine.ambient.now().plus(RUN_MAX);
        let dies = services.weather.strikes(services.plan.deaths);
        let awaits = dies.then(|| services.dice.between(1, AWAITS_MAX));
        let run = Mortal::new(reconciler.run(ends), awaits);
        match tokio::time::timeout(RUN_MAX, run).await {
            Ok(Some(report)) => services.watch.note(machine.host, &format!("{report:?}")),
            Ok(None) | Err(_) => {
                services.watch.died(machine.host, "the reconciler dies");
                machine = services.start();
            }
        }
    }
}

/// Moves dead letters back with the queue's own tools and sets messages going again over the API, now and then
/// until the storm is over.
pub(crate) async fn interfere(services: Arc<Services>, routers: Routers) {
    let Services { plan, dice, weather, queue, .. } = &*services;
    while !weather.is_calm() {
        tokio::time::sleep(LOOK).await;
        let letters = queue.dead_letters().len();
        if letters > 0 && weather.strikes(plan.moves) {
            let index = dice.between(0, letters as u64 - 1);
            services.watched(queue, PEOPLE).move_back(usize::try_from(index).unwrap());
        }
        if weather.strikes(plan.wishes) {
            let number = dice.between(0, plan.messages.len() as u64 - 1);
            let wish = *dice.pick(&["redrive", "resend"]);
            set_going(&services, &routers, usize::try_from(number).unwrap(), wish).await;
        }
        if weather.strikes(plan.wishes / 2) {
            ask_together(&services, &routers, Together::Redrive).await;
        }
        if weather.strikes(plan.withdrawals) {
            ask_together(&services, &routers, Together::Cancel).await;
        }
    }
}

/// What is asked for several messages at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    Redrive,
    Cancel,
}

impl Together {
    fn request(self, ids: &[RelayId]) -> Request<Body> {
        let ids: Vec<&str> = ids.iter().map(RelayId::as_str).collect();
        let request = match self {
            Self::Redrive => Request::post("/v1/messages/bulk/redrive"),
            Self::Cancel => Request::delete("/v1/messages/bulk"),
        };
        let request = request.header("content-type", "application/json");
        request.body(Body::from(json!({ "ids": ids }).to_string())).unwrap()
    }

    const fn may_be_answered(self, status: u64) -> bool {
        match self {
            Self::Redrive => matches!(status, 202 | 404 | 409 | 503),
            Self::Cancel => matches!(status, 200 | 404 | 409 | 503),
        }
    }
}

/// Asks for some of the messages, and for one that nobody ever posted.
async fn ask_together(services: &Services, routers: &Routers, wish: Together) {
    let Services { plan, dice, watch, .. } = services;
    let numbers = 0..=plan.messages.len();
    let ids: Vec<RelayId> = numbers.filter(|_| dice.happens(500)).map(id_of).collect();
    if ids.is_empty() {
        return;
    }
    let acceptance =
        |id: &RelayId| watch.state_and_calls(id).map(|(state, _)| state.life.accepted_id);
    let before: Vec<_> = ids.iter().map(acceptance).collect();
    watch.note(PEOPLE, &format!("{wish:?} is asked for {} messages", ids.len()));
    let Some((status, json)) = ask(services, routers, wish.request(&ids), AWAITS_MAX).await else {
        return;
    };
    let blame = |id: &RelayId, detail: String| {
        let (invariant, id) = (Invariant::AnswersAddUp, id.clone());
        watch.blame(Violation { invariant, id, detail });
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return;
    }
    let results = json["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    if status != StatusCode::MULTI_STATUS || results.len() != ids.len() {
        return blame(&ids[0], format!("{wish:?} of {} is answered {status} {json}", ids.len()));
    }
    for ((id, before), result) in ids.iter().zip(before).zip(results) {
        let status = result["status"].as_u64().unwrap_or_default();
        watch.note_about(PEOPLE, id, &format!("{wish:?} is answered: {status}"));
        let is_there = acceptance(id).is_some() || status == 404 || status == 503;
        if !wish.may_be_answered(status) || !is_there || result["id"] != id.as_str() {
            blame(id, format!("{wish:?} is answered {result}"));
        }
        // An id that was used anew in between has another record by now.
        if (wish, status) == (Together::Cancel, 200) && before == acceptance(id) {
            watch.observe(PEOPLE, &Observed::Withdrawn { id: id.clone() });
        }
    }
}

async fn set_going(services: &Services, routers: &Routers, number: usize, wish: &str) {
    let (_, router) = services.dice.pick(routers);
    let id = id_of(number);
    services.watch.note_about(PEOPLE, &id, &format!("{wish} is asked for"));
    let request = Request::post(format!("/v1/messages/{id}/{wish}")).body(Body::empty()).unwrap();
    let dies = services.weather.strikes(services.plan.deaths);
    let awaits = dies.then(|| services.dice.between(1, AWAITS_MAX));
    let Some(answer) = Mortal::new(router.clone().oneshot(request), awaits).await else { return };
    let status = answer.unwrap().status();
    services.watch.note_about(PEOPLE, &id, &format!("{wish} is answered: {status}"));
    let is_expected = [
        StatusCode::ACCEPTED,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !is_expected.contains(&status) {
        let detail = format!("{wish} is answered {status}");
        services.watch.blame(Violation { invariant: Invariant::AnswersAddUp, id, detail });
    }
}
