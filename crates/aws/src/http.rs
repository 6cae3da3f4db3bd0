//! The HTTP client below the clients of all services: one pool of connections, and TLS set up once, by the first call
//! that needs it.
//!
//! Left to themselves the clients have one each, which reads and parses the host's root certificates when it is built and
//! again at its first call. That takes longer than all the rest of a start.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Times that a connector keeps to: for connecting, and for reading an answer.
type Times = (Option<Duration>, Option<Duration>);

/// The SDK's own HTTP client, but for who shares it and when it is built.
#[derive(Debug, Default)]
pub(crate) struct Http {
    connectors: Mutex<Vec<(Times, SharedHttpConnector)>>,
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let times = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = connectors.iter().find(|(kept, _)| *kept == times) {
            return kept.clone();
        }
        let connector = SharedHttpConnector::new(ByScheme::new(settings, components));
        connectors.push((times, connector.clone()));
        connector
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some(Cow::Borrowed("1.x"))))
    }
}

/// A connector for each scheme, made when a call has it.
#[derive(Debug)]
struct ByScheme {
    builder: ConnectorBuilder,
    plain: OnceLock<Connector>,
    tls: OnceLock<Connector>,
}

impl ByScheme {
    fn new(settings: &HttpConnectorSettings, components: &RuntimeComponents) -> Self {
        let mut builder = Connector::builder()
            .connector_settings(settings.clone())
            .proxy_config(ProxyConfig::from_env());
        builder.set_sleep_impl(components.sleep_impl());
        Self { builder, plain: OnceLock::new(), tls: OnceLock::new() }
    }
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let builder = || self.builder.clone();
        let connector = if request.uri().starts_with("http:") {
            self.plain.get_or_init(|| builder().build_http())
        } else {
            let provider = Provider::Rustls(CryptoMode::AwsLc);
            self.tls.get_or_init(|| builder().tls_provider(provider).build())
        };
        connector.call(request)
    }
}
