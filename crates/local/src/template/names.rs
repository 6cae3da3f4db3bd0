//! What the resources of a template are called on this machine, and so what `!Ref` and `!GetAtt` answer.
//!
//! Names are made from the stack's name and the logical id, the same on every start, so that data kept
//! on disk is found again.

use serde_json::Value as Json;
use std::collections::BTreeMap;

use super::Surroundings;
use super::evaluate::References;
use super::parameters::Parameters;

/// What Secrets Manager puts behind a name in an ARN: six characters, random ones there.
const SECRET_SUFFIX: &str = "-local1";

/// The kinds of resources that may be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Alarm,
    Api,
    Bucket,
    Function,
    LogGroup,
    Queue,
    Role,
    Secret,
    Table,
    Topic,
}

impl Kind {
    /// The kind of a resource type, or nothing for a type that has no name worth referring to.
    pub(super) fn of(resource_type: &str) -> Option<Self> {
        match resource_type {
            "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => Some(Self::Alarm),
            "AWS::Serverless::HttpApi" => Some(Self::Api),
            "AWS::S3::Bucket" => Some(Self::Bucket),
            "AWS::Serverless::Function" => Some(Self::Function),
            "AWS::Logs::LogGroup" => Some(Self::LogGroup),
            "AWS::SQS::Queue" => Some(Self::Queue),
            "AWS::IAM::Role" => Some(Self::Role),
            "AWS::SecretsManager::Secret" => Some(Self::Secret),
            "AWS::DynamoDB::Table" => Some(Self::Table),
            "AWS::SNS::Topic" => Some(Self::Topic),
            _ => None,
        }
    }

    /// The property by which a template names such a resource itself.
    pub(super) fn name_property(self) -> &'static str {
        match self {
            Self::Alarm => "AlarmName",
            Self::Api => "Name",
            Self::Bucket => "BucketName",
            Self::Function => "FunctionName",
            Self::LogGroup => "LogGroupName",
            Self::Queue => "QueueName",
            Self::Role => "RoleName",
            Self::Secret => "Name",
            Self::Table => "TableName",
            Self::Topic => "TopicName",
        }
    }
}

/// The names of everything in the template.
pub(super) struct Names<'a> {
    surroundings: &'a Surroundings,
    parameters: &'a Parameters,
    resources: BTreeMap<String, (Kind, String)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(surroundings: &'a Surroundings, parameters: &'a Parameters) -> Self {
        Self { surroundings, parameters, resources: BTreeMap::new() }
    }

    /// Adds a resource, under the name the template gives it or one made here. Returns the name.
    pub(super) fn add(&mut self, logical_id: &str, kind: Kind, given: Option<String>) -> String {
        let name = given.unwrap_or_else(|| {
            let stack = &self.surroundings.stack_name;
            match kind {
                // Bucket names are lower case by S3's rules.
                Kind::Bucket => format!("{stack}-{}", logical_id.to_lowercase()),
                Kind::Api => "local".to_owned(),
                Kind::LogGroup => format!("/{stack}/{logical_id}"),
                Kind::Alarm
                | Kind::Function
                | Kind::Queue
                | Kind::Role
                | Kind::Secret
                | Kind::Table
                | Kind::Topic => format!("{stack}-{logical_id}"),
            }
        });
        self.resources.insert(logical_id.to_owned(), (kind, name.clone()));
        name
    }

    /// The ARN of a resource of this kind and name.
    pub(super) fn arn(&self, kind: Kind, name: &str) -> String {
        let Surroundings { region, account_id, .. } = self.surroundings;
        match kind {
            Kind::Alarm => format!("arn:aws:cloudwatch:{region}:{account_id}:alarm:{name}"),
            Kind::Api => format!("arn:aws:apigateway:{region}::/apis/{name}"),
            Kind::Bucket => format!("arn:aws:s3:::{name}"),
            Kind::Function => format!("arn:aws:lambda:{region}:{account_id}:function:{name}"),
            Kind::LogGroup => format!("arn:aws:logs:{region}:{account_id}:log-group:{name}:*"),
            Kind::Queue => format!("arn:aws:sqs:{region}:{account_id}:{name}"),
            Kind::Role => format!("arn:aws:iam::{account_id}:role/{name}"),
            Kind::Secret => {
                format!("arn:aws:secretsmanager:{region}:{account_id}:secret:{name}{SECRET_SUFFIX}")
            }
            Kind::Table => format!("arn:aws:dynamodb:{region}:{account_id}:table/{name}"),
            Kind::Topic => format!("arn:aws:sns:{region}:{account_id}:{name}"),
        }
    }

    /// The ARN of the rule that stands for an event of a function.
    pub(super) fn rule_arn(&self, function: &str, event: &str) -> String {
        let Surroundings { region, account_id, stack_name, .. } = self.surroundings;
        format!("arn:aws:events:{region}:{account_id}:rule/{stack_name}-{function}{event}")
    }

    /// The name of a resource, if it is known by now.
    pub(super) fn name(&self, logical_id: &str) -> Option<&str> {
        self.resources.get(logical_id).map(|(_, name)| name.as_str())
    }

    /// The logical id of the resource of this kind that has this ARN.
    pub(super) fn logical_id_of(&self, kind: Kind, arn: &str) -> Option<&str> {
        self.resources
            .iter()
            .find(|(_, (found, name))| *found == kind && self.arn(kind, name) == arn)
            .map(|(logical_id, _)| logical_id.as_str())
    }

    fn queue_url(&self, name: &str) -> String {
        let Surroundings { sqs_endpoint, account_id, .. } = self.surroundings;
        format!("{sqs_endpoint}/{account_id}/{name}")
    }

    fn pseudo_parameter(&self, name: &str) -> Option<String> {
        let Surroundings { region, account_id, stack_name, .. } = self.surroundings;
        match name {
            "AWS::Region" => Some(region.clone()),
            "AWS::AccountId" => Some(account_id.clone()),
            "AWS::Partition" => Some("aws".to_owned()),
            "AWS::URLSuffix" => Some("amazonaws.com".to_owned()),
            "AWS::StackName" => Some(stack_name.clone()),
            _ => None,
        }
    }
}

impl References for Names<'_> {
    fn reference(&self, name: &str) -> Result<Json, String> {
        if let Some(value) =
            self.pseudo_parameter(name).or_else(|| self.parameters.get(name).cloned())
        {
            return Ok(Json::String(value));
        }
        match self.resources.get(name) {
            Some((Kind::Queue, queue)) => Ok(Json::String(self.queue_url(queue))),
            Some((kind @ (Kind::Secret | Kind::Topic), name)) => {
                Ok(Json::String(self.arn(*kind, name)))
            }
            Some((_, name)) => Ok(Json::String(name.clone())),
            None => Err(format!("refers to {name}, which the local stack does not know")),
        }
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<Json, String> {
        let known = self.resources.get(resource);
        let value = match (known, attribute) {
            // A secret's ARN is what `!Ref` says; CloudFormation knows it by no attribute of that name.
            (Some((Kind::Secret, name)), "Id") => self.arn(Kind::Secret, name),
            (Some((Kind::Topic, name)), "TopicArn") => self.arn(Kind::Topic, name),
            (Some((Kind::Topic, name)), "TopicName") => name.clone(),
            (Some((kind, name)), "Arn") if !matches!(kind, Kind::Secret | Kind::Topic) => {
                self.arn(*kind, name)
            }
            (Some((Kind::Queue, name)), "QueueName") => name.clone(),
            (Some((Kind::Queue, name)), "QueueUrl") => self.queue_url(name),
            (Some(_), _) => {
                return Err(format!(
                    "asks for {resource}.{attribute}, an attribute the local stack does not know"
                ));
            }
            (None, _) => {
                return Err(format!("refers to {resource}, which the local stack does not know"));
            }
        };
        Ok(Json::String(value))
    }
}
