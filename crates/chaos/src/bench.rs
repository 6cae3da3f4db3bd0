//! The relay under test: a whole stack on a temporary folder, with a proxy in front of each service.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use relay_local::lambda::{EnvironmentStatus, OutputStyle};
use relay_local::stack::{DataFolder, Detour, Endpoints, Hosting, Stack, StackError, StackOptions};
use relay_local::template::{Template, TemplateError};
use relay_testkit::wire::{Faults, Proxy, Service, listen};

use crate::queues::{Queues, QueuesError};

/// The project's template as it was when this program was built.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// What a killed worker leaves to wait for, made short, in the order in which each has to be longer than
/// the one before: the lease (below), the function's timeout, the queue's visibility timeout.
const SHORT_TIMES: [(&str, &str); 2] =
    [("Timeout: 120", "Timeout: 12"), ("VisibilityTimeout: 780", "VisibilityTimeout: 13")];
/// The lease has room for an attempt of 1 s, half a second for the largest body, read twice, and the 8 s
/// that writing its result may take.
const SETTINGS: [(&str, &str); 6] = [
    ("DELIVERY_LEASE_SECONDS", "10"),
    ("DELIVERY_TIMEOUT_SECONDS", "1"),
    ("DELIVERY_CONNECT_TIMEOUT_SECONDS", "1"),
    ("PAYLOAD_BYTES_MAX", "1048576"),
    ("LOG_LEVEL", "error"),
    ("METRICS", "off"),
];
const PARAMETERS: [(&str, &str); 1] = [("BatchWindowSeconds", "0")];

/// Why there is no relay to break.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The template does not say what is to be changed in it.
    #[error("the template holds `{0}` not exactly once")]
    Template(&'static str),
    /// The changed template cannot be read.
    #[error(transparent)]
    Unreadable(#[from] TemplateError),
    /// The stack does not start.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A proxy or a target gets no loopback port.
    #[error("no loopback port")]
    Loopback(#[source] io::Error),
}

/// How the relay reaches its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// Through proxies that can make calls fail.
    #[default]
    Faulty,
    /// Directly: for measuring.
    Straight,
}

/// What a bench is started with, beside what makes crashes short.
#[derive(Debug, Clone, Default)]
pub struct BenchOptions {
    /// The program that contains the functions; none for the one that runs now.
    pub program: Option<PathBuf>,
    /// Values for parameters of the template.
    pub parameters: BTreeMap<String, String>,
    /// Settings that win over the template's.
    pub settings: BTreeMap<String, String>,
    /// Private targets that messages may go to.
    pub targets: Vec<SocketAddr>,
    /// How it reaches its services.
    pub way: Way,
    /// Whether what the functions print is shown, on standard error.
    pub shows_logs: bool,
}

/// A running relay whose services can be made to fail.
pub struct Bench {
    stack: Stack,
    faults: Faults,
    /// Kept for as long as the stack runs; none if it reaches its services directly.
    _proxies: Proxies,
}

type Proxies = Arc<Mutex<Vec<Proxy>>>;

impl Bench {
    /// Starts everything; nothing fails yet.
    ///
    /// # Errors
    /// When the template is not the expected one or any part does not start.
    pub async fn start(options: BenchOptions) -> Result<Self, BenchError> {
        let faults = Faults::none();
        let proxies = Proxies::default();
        let output = if options.shows_logs { OutputStyle::Json } else { OutputStyle::Hidden };
        let allowed: Vec<_> = options.targets.iter().map(SocketAddr::to_string).collect();
        let mut settings = owned(&SETTINGS);
        settings.insert("DESTINATION_ALLOW".to_owned(), allowed.join(","));
        settings.extend(options.settings);
        let mut parameters = owned(&PARAMETERS);
        parameters.extend(options.parameters);
        let detour = match options.way {
            Way::Faulty => Some(detour(&faults, &proxies).await.map_err(BenchError::Loopback)?),
            Way::Straight => None,
        };
        let hosting = Hosting { program: options.program, settings, detour, output };
        let stack = Stack::start(StackOptions {
            port: 0,
            receiver_port: 0,
            data_folder: DataFolder::temporary()?,
            template: Template::parse(&quick_to_recover(TEMPLATE)?)?,
            template_origin: "the one built in, with shorter times".to_owned(),
            parameters,
            hosting,
        })
        .await?;
        Ok(Self { stack, faults, _proxies: proxies })
    }

    /// `http://127.0.0.1:<port>` of the relay.
    #[must_use]
    pub fn url(&self) -> String {
        self.stack.url()
    }

    /// The API key that everything may be done with.
    #[must_use]
    pub fn api_key(&self) -> Option<String> {
        self.stack.api_key()
    }

    /// The queues, as an operator sees them.
    ///
    /// # Errors
    /// When the stack's file of variables cannot be read.
    pub fn queues(&self) -> Result<Queues, QueuesError> {
        Queues::of(self.stack.environment_file())
    }

    /// What goes wrong between the relay and its services.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The processes of one function, as they are now.
    #[must_use]
    pub fn processes(&self, function: &str) -> Vec<EnvironmentStatus> {
        let all = self.stack.environments().into_iter();
        all.filter(|environment| environment.function == function).collect()
    }

    /// Ends everything and removes what was kept.
    pub async fn stop(self) {
        self.stack.stop().await;
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn quick_to_recover(template: &str) -> Result<String, BenchError> {
    let mut text = template.to_owned();
    for (from, to) in SHORT_TIMES {
        // A line of its own, so that one is not taken for the end of another.
        let from_line = format!(" {from}\n");
        if text.matches(&from_line).count() != 1 {
            return Err(BenchError::Template(from));
        }
        text = text.replace(&from_line, &format!(" {to}\n"));
    }
    Ok(text)
}

/// Opens the ports of the proxies now, and starts them once it is known where the services are.
async fn detour(faults: &Faults, proxies: &Proxies) -> io::Result<Detour> {
    let (dynamodb, sqs, s3) = (listen().await?, listen().await?, listen().await?);
    // The secrets are read directly: a function asks for them once in minutes, so faults there would only delay it.
    let (faults, proxies) = (faults.clone(), Arc::clone(proxies));
    Ok(Box::new(move |services: &Endpoints| {
        let start = |listener, service, url: &str| {
            Proxy::start(listener, service, address_of(url)?, faults.clone())
        };
        let dynamodb = start(dynamodb, Service::DynamoDb, &services.dynamodb)?;
        let sqs = start(sqs, Service::Sqs, &services.sqs)?;
        let s3 = start(s3, Service::S3, &services.s3)?;
        let reached = Endpoints {
            dynamodb: dynamodb.url(),
            sqs: sqs.url(),
            s3: s3.url(),
            secrets_manager: services.secrets_manager.clone(),
            receiver: services.receiver.clone(),
        };
        let mut kept = proxies.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend([dynamodb, sqs, s3]);
        Ok(reached)
    }))
}

fn address_of(url: &str) -> io::Result<SocketAddr> {
    url.trim_start_matches("http://").parse().map_err(io::Error::other)
}
