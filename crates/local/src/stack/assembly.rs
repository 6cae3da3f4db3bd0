//! The order in which the parts start and stop.

use futures::future::join_all;
use relay_core::access::ApiKey;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

use super::environment::Endpoints;
use super::resources::{Listeners, Services};
use super::{
    ACCOUNT_ID, DataFolder, Hosting, REGION, StackError, access_key_id, functions, operator,
    ready_key, schedules, surroundings,
};
use crate::event_source::{EventSourceMapping, MappingOptions, QueueAccess};
use crate::gateway::{Gateway, GatewayOptions, Routes};
use crate::lambda::{EnvironmentStatus, FunctionHost, OutputStyle};
use crate::metrics::{Meter, Sampler, Summary};
use crate::receiver::Receiver;
use crate::schedule::RunningSchedule;
use crate::services::record::Recorder;
use crate::services::{self, SECRET_ACCESS_KEY};
use crate::template::{Description, Template};

/// The setting that says whether requests need an API key.
const AUTHENTICATION: &str = "AUTHENTICATION";
/// Its value for a relay that lets everybody do everything.
const OFF: &str = "off";

/// What a stack is started with.
pub struct StackOptions {
    /// Port of the gateway; 0 for any.
    pub port: u16,
    /// Port of the demo receiver; 0 for any.
    pub receiver_port: u16,
    /// Where everything durable is kept.
    pub data_folder: DataFolder,
    /// What to run.
    pub template: Template,
    /// Where the template came from, for people.
    pub template_origin: String,
    /// Values for the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// How the functions are run.
    pub hosting: Hosting,
}

/// The running relay.
pub struct Stack {
    address: SocketAddr,
    environment_file: PathBuf,
    template_origin: String,
    api_key: Option<ApiKey>,
    asks_for_keys: bool,
    gateway: Gateway,
    receiver: Receiver,
    mappings: Vec<EventSourceMapping>,
    schedules: Vec<RunningSchedule>,
    sampler: Sampler,
    _summary: Option<Summary>,
    functions: BTreeMap<String, Arc<FunctionHost>>,
    services: Services,
    /// Last, so that the folder is given up when nothing writes to it any more.
    _data_folder: DataFolder,
}

impl Stack {
    /// Starts everything; returns when requests can be sent.
    ///
    /// # Errors
    /// When any part does not start. What had started by then ends.
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        let StackOptions { data_folder, template, parameters, mut hosting, .. } = options;
        // Judged before anything is opened, with a queue address that only has to look like one.
        template.describe(&surroundings("http://127.0.0.1:0"), &parameters)?;
        let gateway_listener = open("relay", options.port, "--port").await?;
        let receiver_listener = open("receiver", options.receiver_port, "--receiver-port").await?;
        let address = address_of(&gateway_listener, "relay")?;
        let receiver_address = address_of(&receiver_listener, "receiver")?;
        let listeners = Listeners::open().await?;
        let sqs_address = address_of(&listeners.sqs, "sqs")?;
        let here = surroundings(&format!("http://{sqs_address}"));
        let description = template.describe(&here, &parameters)?;
        let routes = Routes::new(&description.routes)?;
        let recorder = Recorder::default();
        let services = Services::start(&data_folder, listeners, &description, &recorder).await?;
        let endpoints = services.endpoints(receiver_address);
        let receiver = Receiver::start(receiver_listener)
            .map_err(|source| StackError::Loopback { what: "receiver", source })?;
        let api_key = ready_key::provide(&data_folder, &description, &services, &endpoints).await?;
        let asks_for_keys = asks_for_keys(&description, &hosting);
        let reached = match hosting.detour.take() {
            Some(detour) => detour(&endpoints)
                .map_err(|source| StackError::Loopback { what: "the detour", source })?,
            None => endpoints.clone(),
        };
        let functions =
            functions::start(&description, &reached, &hosting, &data_folder, recorder.meter())
                .await?;
        let variables = operator::variables(&description, &endpoints, address, api_key.as_ref());
        let environment_file = operator::write_environment_file(&data_folder, &variables)?;
        let mappings = start_mappings(&description, &reached, &functions).await?;
        let schedules = schedules::start(&description, &functions)?;
        let (sampler, summary) = watch(&description, &services, recorder.meter(), hosting.output);
        let gateway = Gateway::start(GatewayOptions {
            listener: gateway_listener,
            routes,
            scheduled: schedules::events(&description),
            cors: description.cors,
            functions: functions.clone(),
            account_id: ACCOUNT_ID.to_owned(),
            recorder,
        });
        Ok(Self {
            address,
            environment_file,
            template_origin: options.template_origin,
            api_key,
            asks_for_keys,
            gateway,
            receiver,
            mappings,
            schedules,
            sampler,
            _summary: summary,
            functions,
            services,
            _data_folder: data_folder,
        })
    }

    /// `http://127.0.0.1:<port>` of the relay.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:<port>` of the demo receiver.
    #[must_use]
    pub fn receiver_url(&self) -> String {
        self.receiver.url()
    }

    /// The environments of every function, as they are now.
    #[must_use]
    pub fn environments(&self) -> Vec<EnvironmentStatus> {
        self.functions.values().flat_map(|function| function.environments()).collect()
    }

    /// The file to source.
    #[must_use]
    pub fn environment_file(&self) -> &Path {
        &self.environment_file
    }

    /// The ready-made API key, for its holder's eyes only; none where the template has no table for keys.
    #[must_use]
    pub fn api_key(&self) -> Option<String> {
        self.api_key.as_ref().map(ApiKey::reveal)
    }

    /// Whether requests need an API key.
    #[must_use]
    pub fn asks_for_keys(&self) -> bool {
        self.asks_for_keys
    }

    /// Where the template came from.
    #[must_use]
    pub fn template_origin(&self) -> &str {
        &self.template_origin
    }

    /// Stops everything in order: nothing new comes in, what is under way ends or goes back to the
    /// queue, and what is kept is closed. Each step has a limit of its own.
    pub async fn stop(self) {
        let polling = join_all(self.mappings.into_iter().map(EventSourceMapping::stop));
        let waiting = join_all(self.schedules.into_iter().map(RunningSchedule::stop));
        tokio::join!(self.gateway.stop(), polling, waiting);
        join_all(self.functions.values().map(|function| function.stop())).await;
        self.receiver.stop().await;
        self.sampler.stop().await;
        self.services.stop().await;
    }
}

/// Begins to look at the queues, and to tell of what happens if a person is there to read it.
fn watch(
    description: &Description,
    services: &Services,
    meter: &Meter,
    output: OutputStyle,
) -> (Sampler, Option<Summary>) {
    let queues = description.queues.iter().map(|queue| queue.name.clone()).collect();
    let sampler = Sampler::start(meter.clone(), services.sqs.watcher(), queues);
    let delivered_from = description.event_sources.first().map(|source| source.queue_name.clone());
    let summary = match output {
        OutputStyle::Terminal => delivered_from.map(|queue| Summary::start(meter.clone(), queue)),
        OutputStyle::Json | OutputStyle::Hidden => None,
    };
    (sampler, summary)
}

async fn open(
    what: &'static str,
    port: u16,
    flag: &'static str,
) -> Result<TcpListener, StackError> {
    let failed = |source| StackError::Port { what, port, flag, source };
    services::bind(port).await.map_err(failed)
}

fn address_of(listener: &TcpListener, what: &'static str) -> Result<SocketAddr, StackError> {
    listener.local_addr().map_err(|source| StackError::Loopback { what, source })
}

/// Whether the functions will ask for API keys, from what they will be told.
fn asks_for_keys(description: &Description, hosting: &Hosting) -> bool {
    let told = description.functions.iter().find_map(|one| one.environment.get(AUTHENTICATION));
    let Some(of_template) = told else { return true };
    hosting.settings.get(AUTHENTICATION).unwrap_or(of_template) != OFF
}

async fn start_mappings(
    description: &Description,
    endpoints: &Endpoints,
    functions: &BTreeMap<String, Arc<FunctionHost>>,
) -> Result<Vec<EventSourceMapping>, StackError> {
    let mut mappings = Vec::new();
    for source in &description.event_sources {
        if !source.is_enabled {
            let queue = source.queue_name.as_str();
            tracing::warn!(queue, "delivery is paused: messages are accepted and kept");
            continue;
        }
        let unconnected = || StackError::Unconnected(source.function.clone());
        let function = description.function(&source.function).ok_or_else(unconnected)?;
        let host = functions.get(&source.function).ok_or_else(unconnected)?;
        let access = QueueAccess {
            endpoint: endpoints.sqs.clone(),
            queue_url: format!("{}/{ACCOUNT_ID}/{}", endpoints.sqs, source.queue_name),
            region: REGION.to_owned(),
            access_key_id: access_key_id(&function.binary),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        };
        let options = MappingOptions {
            source: source.clone(),
            access,
            function: Arc::clone(host),
            maximum_concurrency: functions::maximum_environments(function, description),
        };
        let mapping = EventSourceMapping::start(options).await.map_err(|error| {
            StackError::EventSource { function: source.function.clone(), source: error }
        })?;
        mappings.push(mapping);
    }
    Ok(mappings)
}
