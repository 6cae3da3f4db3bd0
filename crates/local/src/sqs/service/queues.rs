//! Operations on queues.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Service, required};
use crate::sqs::attributes::{COMPUTED, is_known};
use crate::sqs::error::SqsError;
use crate::sqs::limits::{self, MILLIS};
use crate::sqs::message::check_range;
use crate::sqs::protocol::{
    CreateQueue, GetQueueAttributes, ListQueues, QueueByName, QueueByUrl, SetQueueAttributes,
};
use crate::sqs::store::{Queue, QueueCounts};

impl Service {
    pub(super) async fn create_queue(
        &self,
        request: CreateQueue,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = required(request.queue_name, "QueueName")?;
        self.recorder.record(caller, "sqs:CreateQueue", &name);
        let asked = request.attributes.unwrap_or_default();
        let now = self.now_millis();
        let url = self.queue_url(&name);
        self.writer.run(move |store| store.create_queue(&name, &asked, now)).await?;
        Ok(json!({ "QueueUrl": url }))
    }

    /// Makes the queue exist with exactly these attributes (see [`crate::sqs::SqsServer`]).
    pub(in crate::sqs) async fn declare_queue(
        &self,
        name: &str,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let (queue, now) = (name.to_owned(), self.now_millis());
        let changed =
            self.writer.run(move |store| store.declare_queue(&queue, &attributes, now)).await?;
        if let Some(attribute) = changed {
            tracing::info!(queue = name, attribute, "queue attributes changed to those declared");
        }
        Ok(())
    }

    /// Makes what was received and neither deleted nor handed back visible (see
    /// [`crate::sqs::SqsServer`]).
    pub(in crate::sqs) async fn release_received(&self, name: &str) -> Result<(), SqsError> {
        let (queue, now) = (name.to_owned(), self.now_millis());
        let released = self.writer.run(move |store| store.release_received(&queue, now)).await?;
        if released > 0 {
            tracing::info!(
                queue = name,
                released,
                "messages of an earlier run are handed out again"
            );
        }
        Ok(())
    }

    pub(super) async fn get_queue_url(
        &self,
        request: QueueByName,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = required(request.queue_name, "QueueName")?;
        self.recorder.record(caller, "sqs:GetQueueUrl", &name);
        let url = self.queue_url(&name);
        self.writer.run(move |store| store.queue(&name).map(drop)).await?;
        Ok(json!({ "QueueUrl": url }))
    }

    pub(super) async fn get_queue_attributes(
        &self,
        request: GetQueueAttributes,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:GetQueueAttributes")?;
        let wanted = request.attribute_names.unwrap_or_default();
        if let Some(unknown) = wanted.iter().find(|name| *name != "All" && !is_known(name)) {
            return Err(SqsError::InvalidAttributeName(unknown.clone()));
        }
        let now = self.now_millis();
        let (queue, counts) = self.writer.run(move |store| store.count(&name, now)).await?;
        let mut entries = queue.attributes.entries();
        entries.extend(self.computed(&queue, counts));
        entries.retain(|name, _| wanted.iter().any(|wanted| wanted == "All" || wanted == name));
        if entries.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "Attributes": entries }))
    }

    fn computed(&self, queue: &Queue, counts: QueueCounts) -> BTreeMap<String, String> {
        let values = [
            counts.visible.to_string(),
            counts.in_flight.to_string(),
            counts.delayed.to_string(),
            (queue.created_at_millis / MILLIS).to_string(),
            (queue.modified_at_millis / MILLIS).to_string(),
            self.identity.arn(&queue.name),
        ];
        COMPUTED.map(str::to_owned).into_iter().zip(values).collect()
    }

    pub(super) async fn set_queue_attributes(
        &self,
        request: SetQueueAttributes,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:SetQueueAttributes")?;
        let changes = request.attributes.ok_or(SqsError::MissingParameter("Attributes"))?;
        let now = self.now_millis();
        self.writer.run(move |store| store.set_queue_attributes(&name, &changes, now)).await?;
        Ok(json!({}))
    }

    pub(super) async fn list_queues(
        &self,
        request: ListQueues,
        caller: &str,
    ) -> Result<Value, SqsError> {
        self.recorder.record(caller, "sqs:ListQueues", "*");
        let most = request.max_results.unwrap_or(limits::LIST_QUEUES_MAX);
        check_range("MaxResults", most, (1, limits::LIST_QUEUES_MAX))?;
        let prefix = request.queue_name_prefix.unwrap_or_default();
        let after = request.next_token.unwrap_or_default();
        let mut names =
            self.writer.run(move |store| store.list_queues(&prefix, &after, most + 1)).await?;
        let page_names = usize::try_from(most).unwrap_or(usize::MAX);
        let has_more = names.len() > page_names;
        names.truncate(page_names);
        if names.is_empty() {
            return Ok(json!({}));
        }
        let urls: Vec<String> = names.iter().map(|name| self.queue_url(name)).collect();
        let mut answer = json!({ "QueueUrls": urls });
        // The token is the last name given; only a caller that asked for pages gets one.
        if let (true, Some(_), Some(last)) = (has_more, request.max_results, names.last()) {
            answer["NextToken"] = json!(last);
        }
        Ok(answer)
    }

    pub(super) async fn list_sources(
        &self,
        request: QueueByUrl,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let action = "sqs:ListDeadLetterSourceQueues";
        let name = self.queue_at(request.queue_url.as_ref(), caller, action)?;
        let sources = self
            .writer
            .run(move |store| {
                store.queue(&name)?;
                store.sources_of(&name)
            })
            .await?;
        let urls: Vec<String> = sources.iter().map(|name| self.queue_url(name)).collect();
        Ok(json!({ "queueUrls": urls }))
    }

    pub(super) async fn purge_queue(
        &self,
        request: QueueByUrl,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:PurgeQueue")?;
        let now = self.now_millis();
        self.writer.run(move |store| store.purge_queue(&name, now)).await?;
        Ok(json!({}))
    }

    pub(super) async fn delete_queue(
        &self,
        request: QueueByUrl,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:DeleteQueue")?;
        self.writer.run(move |store| store.delete_queue(&name)).await?;
        Ok(json!({}))
    }
}
