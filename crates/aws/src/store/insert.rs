//! Many items written by few calls: statements that insert an item and touch none that is there. Knows nothing of what
//! the items are; a plain batch of writes would do, but has no conditions.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::builders::BatchStatementRequestBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest,
    BatchStatementResponse,
};
use futures::StreamExt;
use futures::stream;
use relay_core::ports::PortError;

use super::DynamoStore;
use super::item::{Attributes, bytes};
use crate::error::{failed, unavailable};
use crate::tries::Tries;

/// Statements of one call: the most that `BatchExecuteStatement` takes.
const STATEMENTS_MAX: usize = 25;
/// What the items of one call weigh at most, in bytes. No limit is documented but that of one item, 400 KB; every other
/// batch call takes several times as much.
const CALL_BYTES_MAX: usize = 1024 * 1024;
/// The codes of a table that is busy, which come with the status of a faulty request.
const BUSY: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
];
/// The status of a service that is busy.
const TOO_MANY_REQUESTS: u16 = 429;
/// Calls under way at once: a hundred messages are four. More than this never gain anything, as the caller then waits
/// for its own network.
const CALLS_AT_ONCE: usize = 8;

/// What inserting an item came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is there now.
    New,
    /// It was not inserted: something is there, perhaps this very item by an earlier try, or perhaps something that has
    /// expired; or it is better written alone.
    Open,
}

/// Makes the item of a number; nothing, if it is to be written alone.
pub(super) type Build<'a> = &'a (dyn Fn(usize) -> Result<Option<Attributes>, PortError> + Sync);

/// What became of the item of a number.
type Answer = (usize, Result<Inserted, PortError>);

impl DynamoStore {
    /// Inserts the items numbered from 0 up to `count`, whose keys must all differ. Answers in their order. `build` is
    /// asked once for each, and again for those that were put off.
    pub(super) async fn insert_all(
        &self,
        action: &'static str,
        count: usize,
        build: Build<'_>,
    ) -> Vec<Result<Inserted, PortError>> {
        let mut answers: Vec<Option<Result<Inserted, PortError>>> = vec![None; count];
        let mut calls = Vec::with_capacity(count.div_ceil(STATEMENTS_MAX));
        for part in parts(count, build, &mut answers) {
            match part.as_slice() {
                // Alone, one call says everything.
                [(number, _)] => answers[*number] = Some(Ok(Inserted::Open)),
                _ => calls.push(self.insert(action, part, build)),
            }
        }
        let mut calls = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
        while let Some(answered) = calls.next().await {
            for (number, answer) in answered {
                answers[number] = Some(answer);
            }
        }
        let unknown = || Err(failed(action, "the answer does not say what became of it"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(unknown)).collect()
    }

    /// One call, and others for the statements that were put off.
    async fn insert(
        &self,
        action: &'static str,
        mut part: Vec<(usize, Attributes)>,
        build: Build<'_>,
    ) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(part.len());
        let mut tries = Tries::begin();
        loop {
            let numbers: Vec<usize> = part.iter().map(|(number, _)| *number).collect();
            let responses = match self.execute(action, part).await {
                Ok(Executed::Told(responses)) => responses,
                Ok(Executed::Refused) => {
                    let open = numbers.into_iter().map(|number| (number, Ok(Inserted::Open)));
                    answers.extend(open);
                    return answers;
                }
                Err(error) => {
                    answers.extend(numbers.into_iter().map(|number| (number, Err(error.clone()))));
                    return answers;
                }
            };
            let mut put_off = Vec::new();
            for (number, response) in numbers.into_iter().zip(responses) {
                match Verdict::of(&response) {
                    Verdict::Done(inserted) => answers.push((number, Ok(inserted))),
                    Verdict::PutOff(reason) => put_off.push((number, reason)),
                    Verdict::Failed(reason) => {
                        answers.push((number, Err(failed(action, &reason))));
                    }
                }
            }
            if put_off.is_empty() || !tries.another().await {
                let given_up = put_off.into_iter();
                answers.extend(given_up.map(|(number, why)| (number, Err(failed(action, &why)))));
                return answers;
            }
            part = rebuilt(&put_off, build, &mut answers);
        }
    }

    async fn execute(
        &self,
        action: &'static str,
        part: Vec<(usize, Attributes)>,
    ) -> Result<Executed, PortError> {
        let statements = part.into_iter().map(|(_, attributes)| self.statement(attributes));
        let statements: Option<Vec<_>> = statements.collect();
        if statements.is_none() {
            return Err(failed(action, "a statement could not be built"));
        }
        let call = self.client.batch_execute_statement().set_statements(statements);
        match call.send().await {
            Ok(answer) => Ok(Executed::Told(answer.responses.unwrap_or_default())),
            Err(error) if is_refusal(&error) => {
                let error = unavailable(action, &error);
                tracing::warn!(%error, "not written together: each is written alone");
                Ok(Executed::Refused)
            }
            Err(error) => Err(unavailable(action, &error)),
        }
    }

    fn statement(&self, attributes: Attributes) -> Option<BatchStatementRequest> {
        let text = insertion(&self.table, &attributes);
        let values: Vec<AttributeValue> = attributes.into_iter().map(|(_, value)| value).collect();
        let statement = BatchStatementRequestBuilder::default().statement(text);
        statement.set_parameters(Some(values)).build().ok()
    }
}

/// The items in parts of what one call takes. What cannot be built, or is to be written alone, is answered.
fn parts(
    count: usize,
    build: Build<'_>,
    answers: &mut [Option<Result<Inserted, PortError>>],
) -> Vec<Vec<(usize, Attributes)>> {
    let mut parts: Vec<Vec<(usize, Attributes)>> = Vec::new();
    let mut room_bytes = 0;
    for (number, answer) in answers.iter_mut().enumerate() {
        let attributes = match build(number) {
            Ok(Some(attributes)) => attributes,
            Ok(None) => {
                *answer = Some(Ok(Inserted::Open));
                continue;
            }
            Err(error) => {
                *answer = Some(Err(error));
                continue;
            }
        };
        let weight = bytes(&attributes);
        match parts.last_mut() {
            Some(part) if part.len() < STATEMENTS_MAX && weight <= room_bytes => {
                room_bytes -= weight;
                part.push((number, attributes));
            }
            Some(_) | None => {
                room_bytes = CALL_BYTES_MAX.saturating_sub(weight);
                let mut part = Vec::with_capacity(STATEMENTS_MAX.min(count - number));
                part.push((number, attributes));
                parts.push(part);
            }
        }
    }
    parts
}

/// The items that were put off, once more.
fn rebuilt(
    put_off: &[(usize, String)],
    build: Build<'_>,
    answers: &mut Vec<Answer>,
) -> Vec<(usize, Attributes)> {
    let mut part = Vec::with_capacity(put_off.len());
    for (number, _) in put_off {
        match build(*number) {
            Ok(Some(attributes)) => part.push((*number, attributes)),
            Ok(None) => answers.push((*number, Ok(Inserted::Open))),
            Err(error) => answers.push((*number, Err(error))),
        }
    }
    part
}

/// The statement that inserts an item of these attributes. Its values go beside it, in their order.
fn insertion(table: &str, attributes: &Attributes) -> String {
    let names: usize = attributes.iter().map(|(name, _)| name.len() + "'': ?, ".len()).sum();
    let mut text = String::with_capacity(names + table.len() + "INSERT INTO \"\" VALUE {}".len());
    text.push_str("INSERT INTO \"");
    text.push_str(table);
    text.push_str("\" VALUE {");
    for (number, (name, _)) in attributes.iter().enumerate() {
        text.push_str(if number == 0 { "'" } else { ", '" });
        text.push_str(name);
        text.push_str("': ?");
    }
    text.push('}');
    text
}

/// What a call came to that was answered.
enum Executed {
    /// Each statement has its answer.
    Told(Vec<BatchStatementResponse>),
    /// None was looked at. One item may be the reason, so each is better written alone.
    Refused,
}

/// Whether a call was refused for what it says. One that came too early, to a table that is busy, is not: written alone
/// the items would be many more calls.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let SdkError::ServiceError(answer) = error else { return false };
    let status = answer.raw().status();
    let is_busy = answer.err().code().is_none_or(|code| BUSY.contains(&code));
    status.is_client_error() && status.as_u16() != TOO_MANY_REQUESTS && !is_busy
}

/// What the answer to one statement means.
enum Verdict {
    Done(Inserted),
    PutOff(String),
    Failed(String),
}

impl Verdict {
    fn of(response: &BatchStatementResponse) -> Self {
        let Some(error) = &response.error else { return Self::Done(Inserted::New) };
        match &error.code {
            Some(BatchStatementErrorCodeEnum::DuplicateItem) => Self::Done(Inserted::Open),
            Some(
                BatchStatementErrorCodeEnum::InternalServerError
                | BatchStatementErrorCodeEnum::ProvisionedThroughputExceeded
                | BatchStatementErrorCodeEnum::RequestLimitExceeded
                | BatchStatementErrorCodeEnum::ThrottlingError
                | BatchStatementErrorCodeEnum::TransactionConflict,
            ) => Self::PutOff(reason(error)),
            // Refused for good, or for reasons that this code does not know.
            Some(_) | None => Self::Failed(reason(error)),
        }
    }
}

fn reason(error: &BatchStatementError) -> String {
    let code = error.code.as_ref().map_or("an error without a code", |code| code.as_str());
    match &error.message {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}
