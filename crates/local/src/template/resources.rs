//! Goes through the resources of a template: lists them, names them, hands each to its reader.

use serde_json::Value as Json;
use serde_yaml_ng::{Mapping, Value as Yaml};
use std::collections::BTreeMap;

use super::description::Description;
use super::evaluate::{Evaluator, text_of};
use super::mistake::Mistakes;
use super::names::{Kind, Names};
use super::parameters::Parameters;
use super::properties::Properties;
use super::{Surroundings, api, function, globals, role, secret, storage};

/// Resource types that change nothing on one machine: nobody but the relay itself reaches its queues
/// and buckets here, and logs go to the terminal, where nobody counts their lines or is alarmed by them.
/// Environments are kept ready by themselves once they were made.
const NOT_SIMULATED_TYPES: [&str; 12] = [
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::LogGroup",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::S3::BucketPolicy",
];

/// What a resource may say beside its properties. Deletion is left to the user's own hands here.
const KNOWN_RESOURCE_KEYS: [&str; 7] = [
    "Type",
    "Properties",
    "Metadata",
    "Condition",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
];

/// One resource as written, functions with the Globals under them.
pub(super) struct Resource {
    path: String,
    logical_id: String,
    resource_type: String,
    condition: Option<String>,
    metadata: Option<Yaml>,
    properties: Yaml,
}

/// Names every resource before any is read, because references point both ways.
pub(super) fn name_all<'a>(
    resources: &[Resource],
    surroundings: &'a Surroundings,
    parameters: &'a Parameters,
    conditions: &BTreeMap<String, Yaml>,
    mistakes: &mut Mistakes,
) -> Names<'a> {
    // A name may be made of parameters, but not of other resources.
    let parameters_only = Names::new(surroundings, parameters);
    let evaluator = Evaluator { references: &parameters_only, conditions };
    let mut names = Names::new(surroundings, parameters);
    for resource in resources {
        let Some(kind) = Kind::of(&resource.resource_type) else { continue };
        let given = resource.properties.get(kind.name_property()).and_then(|name| {
            let path = format!("{}.Properties.{}", resource.path, kind.name_property());
            evaluator.evaluate(&path, name, mistakes)
        });
        names.add(&resource.logical_id, kind, given.as_ref().and_then(text_of));
    }
    names
}

/// The resources in template order, with the Globals merged into functions.
pub(super) fn list(section: &Mapping, globals: &Mapping, mistakes: &mut Mistakes) -> Vec<Resource> {
    for key in globals.keys().filter_map(Yaml::as_str) {
        if key != "Function" {
            mistakes.add(&format!("Globals.{key}"), "is not known to the local stack");
        }
    }
    let global_function =
        globals.get("Function").and_then(Yaml::as_mapping).cloned().unwrap_or_default();
    section
        .iter()
        .map(|(logical_id, resource)| {
            let logical_id = logical_id.as_str().unwrap_or_default();
            let resource = resource.as_mapping().cloned().unwrap_or_default();
            one(logical_id, &resource, &global_function, mistakes)
        })
        .collect()
}

fn one(
    logical_id: &str,
    resource: &Mapping,
    global_function: &Mapping,
    mistakes: &mut Mistakes,
) -> Resource {
    let path = format!("Resources.{logical_id}");
    for key in resource.keys().filter_map(Yaml::as_str) {
        if !KNOWN_RESOURCE_KEYS.contains(&key) {
            mistakes.add(&format!("{path}.{key}"), "is not known to the local stack");
        }
    }
    let text = |key: &str| resource.get(key).and_then(Yaml::as_str).map(str::to_owned);
    let resource_type = text("Type").unwrap_or_default();
    let own = resource.get("Properties").and_then(Yaml::as_mapping).cloned().unwrap_or_default();
    let properties = match resource_type.as_str() {
        "AWS::Serverless::Function" => globals::merge(global_function, &own),
        _ => own,
    };
    Resource {
        path,
        logical_id: logical_id.to_owned(),
        resource_type,
        condition: text("Condition"),
        metadata: resource.get("Metadata").cloned(),
        properties: Yaml::Mapping(properties),
    }
}

/// Reads every resource whose condition holds.
pub(super) fn read_all(
    resources: &[Resource],
    evaluator: &Evaluator<'_, Names<'_>>,
    mistakes: &mut Mistakes,
) -> Description {
    let mut description = Description::default();
    for resource in resources {
        if let Some(condition) = &resource.condition
            && !evaluator.holds(&resource.path, condition, mistakes)
        {
            continue;
        }
        read_one(resource, evaluator, &mut description, mistakes);
    }
    description
}

/// Reads one resource into the description.
fn read_one(
    resource: &Resource,
    evaluator: &Evaluator<'_, Names<'_>>,
    description: &mut Description,
    mistakes: &mut Mistakes,
) {
    let Resource { logical_id, resource_type, .. } = resource;
    let names = evaluator.references;
    let path = format!("{}.Properties", resource.path);
    // Evaluated even where it is not simulated: a wrong reference shows here first.
    let value = evaluator.evaluate(&path, &resource.properties, mistakes);
    let metadata: Option<Json> = resource.metadata.as_ref().and_then(|metadata| {
        evaluator.evaluate(&format!("{}.Metadata", resource.path), metadata, mistakes)
    });
    if NOT_SIMULATED_TYPES.contains(&resource_type.as_str()) {
        return;
    }
    let properties = Properties::new(&path, value, mistakes);
    match Kind::of(resource_type) {
        Some(Kind::Api) => description.cors = api::read(properties),
        Some(Kind::Function) => {
            function::read(logical_id, metadata, properties, names, description);
        }
        Some(Kind::Bucket) => {
            description.buckets.push(storage::read_bucket(logical_id, properties, names));
        }
        Some(Kind::Queue) => {
            description.queues.push(storage::read_queue(logical_id, properties, names));
        }
        Some(Kind::Role) => description.roles.push(role::read(logical_id, properties)),
        Some(Kind::Secret) => {
            description.secrets.push(secret::read(logical_id, properties, names));
        }
        Some(Kind::Table) => {
            description.tables.push(storage::read_table(logical_id, properties, names));
        }
        Some(Kind::Alarm | Kind::LogGroup | Kind::Topic) | None => mistakes.add(
            &resource.path,
            format!("has the type {resource_type}, which the local stack does not know"),
        ),
    }
}
