//! Starts the services and makes in them what the template describes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::net::TcpListener;

use super::environment::Endpoints;
use super::{ACCOUNT_ID, DataFolder, REGION, StackError};
use crate::services;
use crate::services::dynamodb::{DynamoDbError, DynamoDbOptions, DynamoDbServer, TableDescription};
use crate::services::record::Recorder;
use crate::services::s3::{S3Options, S3Server};
use crate::services::secrets_manager::{
    SecretSpecification, SecretsManagerOptions, SecretsManagerServer,
};
use crate::sqs::{SqsOptions, SqsServer, system_clock};
use crate::template::Description;
use crate::template::description::{Queue, Secret, Table};

/// Loopback listeners of the services, opened before anything starts so that queue URLs are known.
pub(super) struct Listeners {
    pub(super) dynamodb: TcpListener,
    pub(super) sqs: TcpListener,
    pub(super) s3: TcpListener,
    pub(super) secrets_manager: TcpListener,
}

impl Listeners {
    /// Opens one for each service.
    pub(super) async fn open() -> Result<Self, StackError> {
        Ok(Self {
            dynamodb: loopback("dynamodb").await?,
            sqs: loopback("sqs").await?,
            s3: loopback("s3").await?,
            secrets_manager: loopback("secrets manager").await?,
        })
    }
}

async fn loopback(what: &'static str) -> Result<TcpListener, StackError> {
    services::bind(0).await.map_err(|source| StackError::Loopback { what, source })
}

/// The running services.
pub(super) struct Services {
    pub(super) dynamodb: DynamoDbServer,
    pub(super) sqs: SqsServer,
    pub(super) s3: S3Server,
    pub(super) secrets_manager: SecretsManagerServer,
    /// The text of each secret by its ARN.
    secrets: BTreeMap<String, String>,
}

impl Services {
    pub(super) async fn start(
        folder: &DataFolder,
        listeners: Listeners,
        description: &Description,
        recorder: &Recorder,
    ) -> Result<Self, StackError> {
        let tables = folder.join("dynamodb.sqlite");
        let dynamodb = DynamoDbServer::start(DynamoDbOptions {
            listener: listeners.dynamodb,
            database_path: Some(tables.clone()),
            recorder: recorder.clone(),
        })
        .await
        .map_err(|error| match error {
            source @ DynamoDbError::Open(_) => StackError::TableData { path: tables, source },
            other @ (DynamoDbError::Start(_)
            | DynamoDbError::Table { .. }
            | DynamoDbError::TableDiffers { .. }) => StackError::DynamoDb(other),
        })?;
        let queues = folder.join("sqs.sqlite");
        let sqs = SqsServer::start(SqsOptions {
            listener: listeners.sqs,
            database_path: Some(queues.clone()),
            region: REGION.to_owned(),
            account: ACCOUNT_ID.to_owned(),
            clock: system_clock(),
            recorder: recorder.clone(),
        })
        .await
        .map_err(|source| StackError::QueueData { path: queues, source })?;
        let s3 = S3Server::start(S3Options {
            listener: listeners.s3,
            root: folder.join("s3"),
            recorder: recorder.clone(),
        })
        .await?;
        let secrets_manager = SecretsManagerServer::start(SecretsManagerOptions {
            listener: listeners.secrets_manager,
            folder: folder.join("secrets"),
            recorder: recorder.clone(),
        })
        .await?;
        let mut secrets = BTreeMap::new();
        for secret in &description.secrets {
            let text = secrets_manager.create_secret(&secret_specification(secret))?;
            secrets.insert(secret.arn.clone(), text);
        }
        let services = Self { dynamodb, sqs, s3, secrets_manager, secrets };
        services.make(description).await?;
        Ok(services)
    }

    /// Where they are, and the demo receiver.
    pub(super) fn endpoints(&self, receiver: SocketAddr) -> Endpoints {
        Endpoints {
            dynamodb: self.dynamodb.url(),
            sqs: self.sqs.url(),
            s3: self.s3.url(),
            secrets_manager: self.secrets_manager.url(),
            receiver: receiver.to_string(),
        }
    }

    /// The text of the secret with this ARN, which is for nobody to see.
    pub(super) fn secret(&self, arn: &str) -> Option<&str> {
        self.secrets.get(arn).map(String::as_str)
    }

    async fn make(&self, description: &Description) -> Result<(), StackError> {
        for table in &description.tables {
            self.dynamodb.create_table(&table_description(table)?)?;
        }
        // A queue that others redrive to has to be there first.
        let (plain, redriven): (Vec<&Queue>, Vec<&Queue>) =
            description.queues.iter().partition(|queue| queue.redrive.is_none());
        for queue in plain.into_iter().chain(redriven) {
            self.sqs
                .create_queue(&queue.name, queue_attributes(queue))
                .await
                .map_err(|error| StackError::Sqs(format!("queue {}: {error}", queue.name)))?;
        }
        // The event source of an earlier run ended with its process, and with it whatever it had
        // handed out. On AWS it outlives the workers; here a restart need not wait for the queue's
        // visibility timeout. Messages that wait for a retry come early and are sent back to wait.
        for source in &description.event_sources {
            self.sqs.release_received(&source.queue_name).await.map_err(|error| {
                StackError::Sqs(format!("queue {}: {error}", source.queue_name))
            })?;
        }
        for bucket in &description.buckets {
            self.s3.create_bucket(&bucket.name)?;
        }
        Ok(())
    }

    /// Ends the services. All of them keep what they hold on disk.
    pub(super) async fn stop(self) {
        self.secrets_manager.shutdown().await;
        self.s3.shutdown().await;
        self.sqs.shutdown().await;
        self.dynamodb.shutdown().await;
    }
}

fn table_description(table: &Table) -> Result<TableDescription, StackError> {
    let mut properties = table.create_request.clone();
    if let Some(attribute) = &table.time_to_live_attribute {
        properties["TimeToLiveSpecification"] =
            serde_json::json!({ "AttributeName": attribute, "Enabled": true });
    }
    serde_json::from_value(properties).map_err(|error| StackError::Table {
        table: table.logical_id.clone(),
        reason: error.to_string(),
    })
}

fn secret_specification(secret: &Secret) -> SecretSpecification {
    SecretSpecification {
        name: secret.name.clone(),
        arn: secret.arn.clone(),
        template: secret.template.clone(),
        key: secret.key.clone(),
        characters: secret.characters,
    }
}

fn queue_attributes(queue: &Queue) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::from([
        ("VisibilityTimeout".to_owned(), queue.visibility_timeout_seconds.to_string()),
        ("MessageRetentionPeriod".to_owned(), queue.message_retention_seconds.to_string()),
        ("ReceiveMessageWaitTimeSeconds".to_owned(), queue.receive_wait_seconds.to_string()),
        ("DelaySeconds".to_owned(), queue.delay_seconds.to_string()),
        ("MaximumMessageSize".to_owned(), queue.maximum_message_bytes.to_string()),
    ]);
    if let Some(redrive) = &queue.redrive {
        let policy = serde_json::json!({
            "deadLetterTargetArn": redrive.dead_letter_queue_arn,
            "maxReceiveCount": redrive.maximum_receive_count,
        });
        attributes.insert("RedrivePolicy".to_owned(), policy.to_string());
    }
    attributes
}
