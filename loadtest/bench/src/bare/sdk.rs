//! The floor of accepting: the SDK making the same calls from inputs that are ready, and nothing else. Alone in a loop,
//! or once for each invocation of a Lambda function.

use std::path::Path;
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

use super::obey;
use super::requests::{Call, load};
use crate::error::BenchError;

/// The services' clients, with the SDK's own settings.
pub struct Services {
    /// The table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The queue.
    pub sqs: aws_sdk_sqs::Client,
}

impl Services {
    /// Clients as the environment has them.
    pub async fn from_env() -> Self {
        let shared = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&shared);
        Self { dynamodb, sqs: aws_sdk_sqs::Client::new(&shared) }
    }
}

/// Goes round as told, making the calls in `file` in each round.
///
/// # Errors
/// When a call fails.
pub async fn run_loop(file: &Path) -> Result<(), BenchError> {
    let services = Arc::new(Services::from_env().await);
    let calls = Arc::new(load(file)?);
    obey(|rounds| {
        let (services, calls) = (Arc::clone(&services), Arc::clone(&calls));
        async move {
            for _ in 0..rounds {
                make(&services, &calls).await?;
            }
            Ok(())
        }
    })
    .await
}

/// A function that makes the calls in `file` whatever the event is.
///
/// # Errors
/// When the runtime ends.
pub async fn run_function(file: &Path) -> Result<(), BenchError> {
    let services = &Services::from_env().await;
    let calls = &load(file)?;
    let handle = service_fn(|_: LambdaEvent<Value>| async move {
        let made = make(services, calls).await.map(|()| json!({"statusCode": 202}));
        made.map_err(|error| lambda_runtime::Error::from(error.to_string()))
    });
    let ended = lambda_runtime::run(handle).await;
    ended.map_err(|error| BenchError::Unexpected(error.to_string()))
}

async fn make(services: &Services, calls: &[Call]) -> Result<(), BenchError> {
    let failed =
        |error: &dyn std::fmt::Debug| BenchError::wrong("sdk", format!("{error:?}").as_bytes());
    for call in calls {
        match call {
            Call::Put(input) => {
                let call = input.as_ref().clone().send_with(&services.dynamodb);
                call.await.map_err(|error| failed(&error))?;
            }
            Call::Batch(input) => {
                let call = input.clone().send_with(&services.dynamodb);
                call.await.map_err(|error| failed(&error))?;
            }
            Call::Send(input) => {
                input.clone().send_with(&services.sqs).await.map_err(|error| failed(&error))?;
            }
            Call::SendBatch(input) => {
                input.clone().send_with(&services.sqs).await.map_err(|error| failed(&error))?;
            }
        }
    }
    Ok(())
}
