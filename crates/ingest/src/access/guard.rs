//! What every request passes before its route, in this order: the failures of its address, its key, its signature, the
//! limit of its key, the scope of its route, and whether it is a repetition. What is not let in reaches no handler.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use relay_core::access::{Allowance, ApiKey, Grant, KeyId, RateLimit, Scope, Standing};
use relay_core::metrics::Recorder;
use relay_core::settings::Access;

use super::credentials::{NoKey, presented};
use super::denied::{Denied, Unsigned};
use super::limits::{Limits, Spent};
use super::needs::{Needs, NeedsOf};
use super::remembered::Remembered;
use super::signed::Once;
use super::{KeyUsed, say, signed};
use crate::accept::Ports;
use crate::event::SourceAddress;
use crate::keys::manage::write_id;
use crate::mistakes::Mistakes;
use crate::problem::Problem;
use crate::router::App;

/// How long noting the use of a key may hold up an answer: once an hour.
const NOTE_WITHIN: Duration = Duration::from_secs(1);
/// The part of an IPv6 address that names a network: whoever has one address of it has all (RFC 4291 section 2.5.4).
const NETWORK_BITS: u32 = 64;

/// What the guard knows.
pub(crate) struct Guard {
    settings: Access,
    needs: NeedsOf,
    keys: Remembered,
    key_limits: Limits,
    failure_limits: Limits,
}

/// How the bucket of a key stands after more than the request's own token was spent; an extension of the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpentMore(Standing);

/// A request that said who it is.
struct Identified {
    request: Request,
    grant: Grant,
    once: Option<Once>,
}

/// A request of somebody known, and whether it may go on to its route.
struct Judged {
    request: Request,
    grant: Grant,
    standing: Option<(RateLimit, Standing)>,
    allowed: Result<(), Denied>,
}

impl Guard {
    /// A guard of these routes.
    pub(crate) fn new(
        ports: &Ports,
        settings: Access,
        needs: NeedsOf,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let limits = |unused| {
            let (buckets, ambient) = (ports.buckets.clone(), ports.ambient.clone());
            Limits::new(buckets, ambient, unused, recorder.clone())
        };
        Self {
            settings,
            needs,
            keys: Remembered::new(ports.keys.clone(), settings.cache),
            key_limits: limits(Allowance::default()),
            // Failures are rare, and an address that fails here and there must not be taken for one that fails a lot.
            failure_limits: limits(Allowance::one_by_one()),
        }
    }

    /// What its routes need.
    pub(crate) const fn needs(&self) -> &NeedsOf {
        &self.needs
    }

    /// What is remembered of keys.
    pub(crate) const fn keys(&self) -> &Remembered {
        &self.keys
    }

    /// Judges a request that needs a key.
    async fn judge(&self, ports: &Ports, request: Request, needs: Needs) -> Result<Judged, Denied> {
        let identified = self.authenticated(ports, request, needs).await?;
        let Identified { request, grant, once } = identified;
        let Some((key, _)) = &grant.key else {
            return Ok(Judged { request, grant, standing: None, allowed: Ok(()) });
        };
        let spent = match grant.rate_limit.or(self.settings.rate) {
            None => None,
            Some(limit) => Some((limit, self.key_limits.spend(&bucket_of(key), limit).await)),
        };
        let allowed = match spent {
            Some((_, Spent::Refused(standing))) => Err(Denied::TooMany(standing, key.clone())),
            Some((_, Spent::Passed(_))) | None => {
                match is_permitted(&grant, key, needs, request.method()) {
                    Ok(()) => is_first(ports, key, once).await,
                    refused => refused,
                }
            }
        };
        let standing = spent.map(|(limit, spent)| (limit, spent.standing()));
        Ok(Judged { request, grant, standing, allowed })
    }

    /// Spends a token for each of many things that are asked for at once. The request as such has spent one.
    ///
    /// The error is the answer: nothing of what was asked for may be done then.
    pub(crate) async fn spend_for_each(
        &self,
        grant: &Grant,
        count: usize,
    ) -> Result<Option<SpentMore>, Response> {
        let limit = grant.rate_limit.or(self.settings.rate);
        let (Some((key, _)), Some(limit)) = (&grant.key, limit) else { return Ok(None) };
        let tokens = u32::try_from(count).unwrap_or(u32::MAX);
        if tokens > limit.burst {
            return Err(Problem::from(more_than_burst(tokens, limit)).into_response());
        }
        let more = tokens.saturating_sub(1);
        if more == 0 {
            return Ok(None);
        }
        match self.key_limits.spend_many(&bucket_of(key), more, limit).await {
            Spent::Passed(standing) => Ok(Some(SpentMore(standing))),
            Spent::Refused(standing) => {
                let mut answer = Denied::TooMany(standing, key.clone()).into_response();
                answer.extensions_mut().insert(SpentMore(standing));
                Err(answer)
            }
        }
    }

    /// Finds out who sends a request. An address that fails to say so too often is not listened to for a while, but for
    /// keys that are known here: their holders are not to suffer for a neighbour who guesses.
    async fn authenticated(
        &self,
        ports: &Ports,
        request: Request,
        needs: Needs,
    ) -> Result<Identified, Denied> {
        if !self.settings.required {
            return Ok(Identified { request, grant: Grant::everything(), once: None });
        }
        let source = request.extensions().get::<SourceAddress>().map(|source| source.0);
        let key = presented(request.headers());
        let Some(limit) = self.settings.failures else {
            return self.identified(ports, request, key, source, needs).await;
        };
        let bucket = failures_of(source);
        if let Some(wait) = self.failure_limits.known_empty(&bucket, limit).await {
            let now = ports.ambient.now();
            // A signature costs work, so who needs one to be let in is as unheard as a stranger.
            let is_plain = |grant: Grant| !signed::is_concerned(request.headers(), &grant);
            let known = |key: &ApiKey| self.keys.known_grant(key, source, now);
            if !key.as_ref().ok().and_then(known).is_some_and(is_plain) {
                return Err(Denied::TooManyFailures(wait));
            }
        }
        let identified = self.identified(ports, request, key, source, needs).await;
        if !identified.as_ref().is_err_and(Denied::counts) {
            return identified;
        }
        match self.failure_limits.spend(&bucket, limit).await {
            Spent::Passed(_) => identified,
            Spent::Refused(standing) => Err(Denied::TooManyFailures(standing.reset)),
        }
    }

    async fn identified(
        &self,
        ports: &Ports,
        request: Request,
        key: Result<ApiKey, NoKey>,
        source: Option<IpAddr>,
        needs: Needs,
    ) -> Result<Identified, Denied> {
        let key = key.map_err(Denied::NoKey)?;
        let now = ports.ambient.now();
        // A change of keys and secrets is rare, and not for a version that was replaced or revoked a moment ago.
        let anew = is_change(needs, request.method());
        let judged = self.keys.judge(&key, source, now, anew).await.map_err(Denied::Unknown)?;
        let grant = judged.map_err(|refusal| Denied::Refused(refusal, key.id().clone()))?;
        let (request, once) = signed::checked(request, &grant, &*ports.vault, now).await?;
        Ok(Identified { request, grant, once })
    }
}

/// The name of the bucket of a key.
fn bucket_of(key: &KeyId) -> String {
    format!("KEY#{key}")
}

/// What never passes, however long its client waits.
fn more_than_burst(tokens: u32, limit: RateLimit) -> Mistakes {
    let detail = format!(
        "has {tokens} in one request, and the rate limit of this key lets {} pass at once",
        limit.burst
    );
    Mistakes::one("", detail)
}

/// Whether a request is to change keys or signing secrets.
fn is_change(needs: Needs, method: &Method) -> bool {
    needs == Needs::Scope(Scope::Admin) && !method.is_safe()
}

/// Whether the key is for this.
fn is_permitted(grant: &Grant, key: &KeyId, needs: Needs, method: &Method) -> Result<(), Denied> {
    match needs {
        Needs::Scope(scope) if !grant.has(scope) => Err(Denied::OutOfScope(scope, key.clone())),
        Needs::Scope(_) | Needs::AnyKey | Needs::Nothing => {
            let is_refused = grant.superseded.is_some() && is_change(needs, method);
            if is_refused { Err(Denied::Superseded(key.clone())) } else { Ok(()) }
        }
    }
}

/// Whether a request that counts once comes for the first time. That is asked last: what was refused for another reason
/// may be sent again.
async fn is_first(ports: &Ports, key: &KeyId, once: Option<Once>) -> Result<(), Denied> {
    let Some(Once { request, until }) = once else { return Ok(()) };
    let by = write_id(&*ports.ambient);
    match ports.replays.is_first(&request, &by, until, ports.ambient.now()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Denied::Unsigned(Unsigned::Replayed, key.clone())),
        Err(error) => Err(Denied::Unknown(error)),
    }
}

/// The name of the bucket that counts the failures of an address. Requests without one share one.
fn failures_of(source: Option<IpAddr>) -> String {
    match source.map(|source| source.to_canonical()) {
        None => "ADDRESS#unknown".to_owned(),
        Some(IpAddr::V4(address)) => format!("ADDRESS#{address}"),
        Some(IpAddr::V6(address)) => {
            let network = Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS);
            format!("ADDRESS#{network}/{NETWORK_BITS}")
        }
    }
}

/// Lets a request through to its route, with what it may do as an extension; or answers why not.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (guard, ports) = (&app.guard, &app.accept.ports);
    let needs = guard.needs.request(&request);
    if needs == Needs::Nothing {
        return next.run(request).await;
    }
    let judged = match guard.judge(ports, request, needs).await {
        Ok(judged) => judged,
        Err(denied) => return denied.into_response(),
    };
    let Judged { mut request, grant, standing, allowed } = judged;
    let (key, superseded) = (grant.key.clone(), grant.superseded);
    request.extensions_mut().insert(Arc::new(grant));
    let mut response = match (allowed, &key) {
        (Err(denied), _) => denied.into_response(),
        (Ok(()), None) => next.run(request).await,
        (Ok(()), Some((key, _))) => {
            // The environment may be frozen as soon as it has answered: what is not waited for may never happen.
            let noted = guard.keys.note_use(key, ports.ambient.now(), NOTE_WITHIN);
            let (response, ()) = futures::join!(next.run(request), noted);
            response
        }
    };
    if let Some((key, _)) = key {
        response.extensions_mut().insert(KeyUsed(key));
    }
    let spent_more = response.extensions_mut().remove::<SpentMore>();
    if let Some((limit, standing)) = standing {
        let standing = spent_more.map_or(standing, |SpentMore(standing)| standing);
        say::limit(&mut response, limit, standing);
    }
    if let Some(superseded) = superseded {
        say::superseded(&mut response, superseded);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_address_counts_by_what_one_client_has_of_it() {
        for (address, bucket) in [
            ("192.0.2.1", "ADDRESS#192.0.2.1"),
            ("::ffff:192.0.2.1", "ADDRESS#192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "ADDRESS#2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "ADDRESS#2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "ADDRESS#2001:db8:1:3::/64"),
        ] {
            assert_eq!(failures_of(Some(address.parse().unwrap())), bucket);
        }
        assert_eq!(failures_of(None), "ADDRESS#unknown");
    }
}
