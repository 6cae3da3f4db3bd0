//! The HTTP request of one attempt: its body verified, its headers signed, its time bounded.

use std::time::Duration;

use futures::StreamExt;
use relay_core::attempt;
use relay_core::body::{Body, Pointer};
use relay_core::envelope::Envelope;
use relay_core::metrics::Metric;
use relay_core::outcome::{ErrorKind, Outcome};
use relay_core::ports::{OpenError, Request, RequestBody};
use relay_core::signature::Signings;
use relay_core::time::Timestamp;
use relay_core::trace::SpanId;
use sha2::{Digest, Sha256};

use crate::deliver::Worker;
use crate::signer::Secrets;
use crate::tell::Next;

/// A message whose sender's secrets are not known comes back after this long at first: it may be a service that does
/// not answer. With as much jitter on top as it waits.
const UNSIGNABLE_WAIT_MIN: Duration = Duration::from_secs(30);
/// And after this long at most, before jitter: it may be an entry that somebody has to restore, and whoever did wants
/// to see messages go. With jitter it is as long as a copy can be delayed; what is longer would lose its jitter.
const UNSIGNABLE_WAIT_MAX: Duration = Duration::from_secs(450);
/// In between a message waits for this part of its age again: one that has waited for a day is not asked about every
/// minute, and each costs a queue request every time.
const UNSIGNABLE_AGE_PART: u32 = 4;

impl Worker {
    /// How long the attempt may take, the reading of a stored body included. Such a body is read
    /// twice: once to verify and sign it, once to send it.
    pub(crate) fn attempt_timeout(&self, envelope: &Envelope) -> Duration {
        let bytes_read = match &envelope.body {
            Body::Inline(_) => 0,
            Body::Stored(pointer) | Body::Unretained(pointer) => pointer.bytes.saturating_mul(2),
        };
        attempt::timeout(self.rules.timeout, bytes_read, self.rules.bytes_per_second_min)
    }

    /// What the message is to be signed with; or, if that is not known, when it comes back: it is not sent unsigned, no
    /// attempt is spent and nothing is written. A message whose deadline comes first is there in time to be given up.
    pub(crate) async fn secrets(&self, envelope: &Envelope) -> Result<Secrets, Next> {
        self.signer.secrets(&envelope.sender_id).await.map_err(|reason| {
            let now = self.ports.ambient.now();
            let age = now.since(envelope.life.generation_started_at);
            let deadline = self.deadline(envelope);
            // Nor a larger part of what is left: trouble that passes is not to take the last tries of an old message.
            let longest = UNSIGNABLE_WAIT_MAX.min(deadline.since(now) / UNSIGNABLE_AGE_PART);
            let longest = longest.max(UNSIGNABLE_WAIT_MIN);
            let wait = (age / UNSIGNABLE_AGE_PART).clamp(UNSIGNABLE_WAIT_MIN, longest);
            let until = now.plus(wait + self.jitter_of(wait)).min(deadline);
            self.recorder.count(Metric::Deferrals);
            tracing::warn!(%until, %reason, "deferred: how to sign is not known");
            Next::Deferred(until)
        })
    }

    /// The same after a wait for room. It may outlast the minute within which a rotation is in use: only then are the
    /// secrets asked for again.
    pub(crate) async fn secrets_by_now(
        &self,
        envelope: &Envelope,
        secrets: Secrets,
    ) -> Result<Secrets, Next> {
        if secrets.still_count(self.ports.ambient.now()) {
            Ok(secrets)
        } else {
            self.secrets(envelope).await
        }
    }

    /// Sends the message once, and is over at `ends`. Whatever happens is an outcome.
    pub(crate) async fn send(
        &self,
        envelope: &Envelope,
        number: u32,
        span_id: SpanId,
        secrets: &Secrets,
        ends: Timestamp,
    ) -> Outcome {
        let started_at = self.ports.ambient.now();
        let timeout = self.attempt_timeout(envelope).min(ends.since(started_at));
        let preparing = self.prepare(envelope, (number, span_id), secrets, started_at);
        let prepared = tokio::time::timeout(timeout, preparing).await;
        let not_sent = |error| Outcome {
            result: Err(error),
            retry_after: None,
            answer: String::new(),
            started_at,
            duration_millis: self.ports.ambient.now().millis_since(started_at),
        };
        match prepared {
            Err(_elapsed) => not_sent(ErrorKind::BodyUnavailable),
            Ok(Err(error)) => not_sent(error),
            Ok(Ok(mut request)) => {
                let spent = self.ports.ambient.now().since(started_at);
                request.timeout = timeout.saturating_sub(spent);
                self.ports.sender.send(request, started_at).await
            }
        }
    }

    async fn prepare(
        &self,
        envelope: &Envelope,
        (number, span_id): (u32, SpanId),
        secrets: &Secrets,
        at: Timestamp,
    ) -> Result<Request, ErrorKind> {
        let mut signings = secrets.begin(&envelope.id, at);
        let body = match &envelope.body {
            Body::Inline(bytes) => {
                signings.update(bytes);
                RequestBody::Bytes(bytes.clone())
            }
            Body::Stored(pointer) | Body::Unretained(pointer) => {
                self.stored_body(pointer, &mut signings).await?
            }
        };
        let signature = signings.finish();
        Ok(Request {
            target: envelope.target.clone(),
            method: envelope.method,
            headers: attempt::headers(envelope, number, at, span_id, signature),
            body,
            timeout: Duration::ZERO,
        })
    }

    /// Reads a stored body once in constant memory to see that it is the accepted one (a wrong one is
    /// never sent) and to sign it, then opens it again to be streamed.
    async fn stored_body(
        &self,
        pointer: &Pointer,
        signings: &mut Signings,
    ) -> Result<RequestBody, ErrorKind> {
        let mut stream = self.ports.payloads.open(pointer).await.map_err(kind)?;
        let mut hash = Sha256::new();
        let mut bytes_read = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| kind(OpenError::Port(error)))?;
            hash.update(&piece);
            bytes_read += piece.len() as u64;
            signings.update(&piece);
        }
        if bytes_read != pointer.bytes || hash.finalize()[..] != pointer.sha256.as_bytes()[..] {
            tracing::error!(
                object_key = pointer.key,
                "stored body is not the one that was accepted"
            );
            return Err(ErrorKind::BodyCorrupt);
        }
        let stream = self.ports.payloads.open(pointer).await.map_err(kind)?;
        Ok(RequestBody::Stream { bytes: pointer.bytes, stream })
    }
}

fn kind(error: OpenError) -> ErrorKind {
    match error {
        OpenError::Missing => ErrorKind::BodyMissing,
        OpenError::Port(error) => {
            tracing::warn!(%error, "stored body could not be read");
            ErrorKind::BodyUnavailable
        }
    }
}
