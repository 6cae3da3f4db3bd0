//! `relay check-target`: the sender's own judgement on a target, told to an operator.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use async_trait::async_trait;
use clap::Args;
use relay_core::destination::{AllowList, DestinationPolicy, Target, fully_qualified};
use relay_core::headers::Headers;
use relay_worker::sender::{Lookup, SystemLookup, preflight};
use serde_json::{Value, json};

use crate::terminal::{indented, line};
use crate::{Failure, REFUSED};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The target.
    url: String,
    /// What a host resolves to, as host=address[,address…], in place of asking the resolver. May be
    /// given more than once.
    #[arg(long)]
    resolve: Vec<String>,
    /// Headers to check with it, as a JSON object.
    #[arg(long)]
    headers: Option<String>,
    /// Targets opened on purpose, as the setting takes them.
    #[arg(long, env = "DESTINATION_ALLOW", default_value = "")]
    destination_allow: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What the relay makes of a target.
struct Judgement {
    addresses: Vec<SocketAddr>,
    refusals: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let allow = AllowList::parse(&arguments.destination_allow)
        .map_err(|error| Failure::Usage(format!("--destination-allow: {error}")))?;
    let lookup = Given::parse(&arguments.resolve)?;
    let policy = DestinationPolicy::new(allow, None);
    let headers = arguments.headers.as_deref().map(header_pairs).transpose()?;
    let judgement = judge(&arguments.url, headers.as_deref(), &policy, &lookup).await;
    print(&arguments, &judgement);
    Ok(if judgement.refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

async fn judge(
    url: &str,
    headers: Option<&[(String, String)]>,
    policy: &DestinationPolicy,
    lookup: &dyn Lookup,
) -> Judgement {
    let mut judgement = Judgement { addresses: Vec::new(), refusals: Vec::new() };
    match Target::parse(url) {
        Err(error) => judgement.refusals.push(format!("URL {error}")),
        Ok(target) => match preflight(policy, lookup, &target).await {
            Err(error) => judgement.refusals.push(error.to_string()),
            Ok(addresses) => judgement.addresses = addresses,
        },
    }
    let pairs = headers.into_iter().flatten();
    if let Err(mistakes) =
        Headers::parse(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    {
        judgement.refusals.extend(mistakes.into_iter().map(|(name, mistake)| match name {
            Some(name) => format!("header {name:?} {mistake}"),
            None => format!("message {mistake}"),
        }));
    }
    judgement
}

fn print(arguments: &Arguments, judgement: &Judgement) {
    let allowed = judgement.refusals.is_empty();
    if arguments.json {
        let addresses: Vec<String> = judgement.addresses.iter().map(ToString::to_string).collect();
        let answer = json!({
            "url": arguments.url,
            "allowed": allowed,
            "addresses": addresses,
            "reasons": judgement.refusals,
        });
        line(&indented(&answer));
    } else if allowed {
        let addresses: Vec<String> = judgement.addresses.iter().map(ToString::to_string).collect();
        line(&format!("allowed: would connect to {}", addresses.join(" or ")));
    } else {
        judgement.refusals.iter().for_each(|reason| line(&format!("refused: {reason}")));
    }
}

fn header_pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let wrong = || Failure::Usage("--headers must be a JSON object of strings".to_owned());
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return Err(wrong()) };
    object
        .into_iter()
        .map(|(name, value)| Ok((name, value.as_str().ok_or_else(wrong)?.to_owned())))
        .collect()
}

/// Answers given on the command line; every other name is asked for.
struct Given(BTreeMap<String, Vec<IpAddr>>);

impl Given {
    fn parse(pairs: &[String]) -> Result<Self, Failure> {
        let pair = |pair: &String| {
            let (host, addresses) = pair.split_once('=')?;
            let addresses = addresses.split(',').map(|address| address.parse().ok());
            Some((looked_up(host)?, addresses.collect::<Option<_>>()?))
        };
        let read = |text: &String| {
            pair(text).ok_or_else(|| {
                Failure::Usage(format!("--resolve {text:?} is not host=address[,address…]"))
            })
        };
        pairs.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// The name that is asked for when a target's host is `host`: an international name has another
/// form in DNS than the one people write. None if it is no host.
fn looked_up(host: &str) -> Option<String> {
    let target = Target::parse(&format!("http://{host}/")).ok()?;
    // A port or a path would be dropped without a word.
    let is_host_alone = target.as_str() == format!("http://{}/", target.host());
    is_host_alone.then(|| fully_qualified(target.host()))
}

#[async_trait]
impl Lookup for Given {
    async fn lookup(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self.0.get(name) {
            Some(addresses) => Ok(addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()),
            None => SystemLookup.lookup(name, port).await,
        }
    }
}
