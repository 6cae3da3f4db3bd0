//! Puts the whole relay together on one machine: services, functions, event source, gateway, receiver,
//! all as template.yaml says; and takes it apart again.
//!
//! It decides nothing about messages: that is the functions' own code, which runs here unchanged.

mod assembly;
mod banner;
mod data_folder;
mod environment;
mod environment_file;
mod error;
mod functions;
mod hosting;
mod operator;
mod ready_key;
mod resources;
mod schedules;

pub use assembly::{Stack, StackOptions};
pub use banner::banner;
pub use data_folder::DataFolder;
pub use environment::{Endpoints, OPERATOR_ACCESS_KEY_ID, access_key_id};
pub use error::StackError;
pub use functions::Program;
pub use hosting::{Detour, Hosting};

use crate::template::Surroundings;

/// Region that everything is told. Nothing leaves this machine, so any would do, but version 1 of the AWS
/// CLI ignores `AWS_ENDPOINT_URL_SQS` in the older regions and would call AWS itself; not in this one.
pub const REGION: &str = "eu-central-2";
/// Account number in ARNs and queue URLs.
pub const ACCOUNT_ID: &str = "000000000000";
/// Prefix of the names of everything the template leaves unnamed.
pub const STACK_NAME: &str = "relay-local";

/// What the template's references are answered from, with SQS at `sqs_endpoint`.
#[must_use]
pub fn surroundings(sqs_endpoint: &str) -> Surroundings {
    Surroundings {
        region: REGION.to_owned(),
        account_id: ACCOUNT_ID.to_owned(),
        stack_name: STACK_NAME.to_owned(),
        sqs_endpoint: sqs_endpoint.to_owned(),
    }
}
