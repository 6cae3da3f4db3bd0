//! Names to addresses, each judged before anybody connects to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use relay_core::destination::{DestinationPolicy, Refusal, Target, fully_qualified};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks names up. Tests inject their answers here.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Every address that `name`, fully qualified, resolves to, with `port`.
    async fn lookup(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The host's own resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // No DNS holds this name, and hosts files have it without the dot (RFC 6761 section 6.3). What
        // comes back is judged as ever.
        let name = if name.eq_ignore_ascii_case("localhost.") { "localhost" } else { name };
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// Why no address of a target may be connected to.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// An address is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name could not be looked up.
    #[error("{host} could not be resolved")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
}

/// Every address that a connection to `host` and `port` may go to: looked up and judged. The sender
/// connects to nothing else, and an operator who asks why a target is refused gets this same answer.
///
/// # Errors
/// Why there is none.
pub(super) async fn judged_addresses(
    policy: &DestinationPolicy,
    lookup: &dyn Lookup,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, PreflightError> {
    let addresses = lookup
        .lookup(&fully_qualified(host), port)
        .await
        .map_err(|source| PreflightError::Dns { host: host.to_owned(), source })?;
    policy.judge_all(host, &addresses)?;
    Ok(addresses)
}

/// The addresses that a delivery to `target` may connect to. A target that names an address is judged
/// without a lookup.
///
/// # Errors
/// Why there is none.
pub async fn preflight(
    policy: &DestinationPolicy,
    lookup: &dyn Lookup,
    target: &Target,
) -> Result<Vec<SocketAddr>, PreflightError> {
    match target.literal_address() {
        Some(address) => {
            policy.judge_literal(target)?;
            Ok(vec![address])
        }
        None => judged_addresses(policy, lookup, target.host(), target.port()).await,
    }
}

/// The resolver of the HTTP client for one port. The client connects to what comes back from here and
/// to nothing else.
pub(super) struct JudgingResolver {
    pub(super) policy: Arc<DestinationPolicy>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) port: u16,
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, lookup, port) = (self.policy.clone(), self.lookup.clone(), self.port);
        Box::pin(async move {
            let addresses = judged_addresses(&policy, &*lookup, name.as_str(), port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
