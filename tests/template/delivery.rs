//! How the worker is fed: partial batch answers, one kind of scaling, its own queue as a loop.

use relay_tests::{Reference, Template, strings};
use serde_yaml_ng::Value;

const SOURCE: &str = "Resources/WorkerFunction/Properties/Events/Queue/Properties";

/// The branches of `!If [condition, then, else]`.
fn branches<'a>(template: &'a Template, path: &str) -> (&'a str, &'a Value, &'a Value) {
    let Value::Tagged(tagged) = template.at(path) else { panic!("{path} is not conditional") };
    assert_eq!(tagged.tag, "!If", "{path}");
    let parts = tagged.value.as_sequence().map(Vec::as_slice);
    let Some([condition, then, otherwise]) = parts else { panic!("{path}: !If takes three parts") };
    (condition.as_str().expect("a condition has a name"), then, otherwise)
}

#[test]
fn one_failed_message_does_not_repeat_its_batch() {
    let template = Template::load();
    let answers = strings(template.at(&format!("{SOURCE}/FunctionResponseTypes")));
    assert_eq!(answers, ["ReportBatchItemFailures"]);
}

#[test]
fn f46_fresh_copies_in_its_own_queue_do_not_stop_the_worker() {
    let template = Template::load();
    assert_eq!(template.at("Resources/WorkerFunction/Properties/RecursiveLoop"), "Allow");
}

#[test]
fn the_worker_reads_the_delivery_queue_as_the_parameters_say() {
    let template = Template::load();
    let queue = Reference::of(template.at(&format!("{SOURCE}/Queue")));
    assert_eq!(queue, Some(Reference::GetAtt("DeliveryQueue.Arn")));
    assert_eq!(template.number(&format!("{SOURCE}/BatchSize")), 5);
    assert_eq!(template.number(&format!("{SOURCE}/MaximumBatchingWindowInSeconds")), 5);
    assert_eq!(template.parameter("MaximumConcurrency").default, "10");
}

#[test]
fn provisioned_pollers_and_a_maximum_concurrency_exclude_each_other() {
    let template = Template::load();
    let nothing = Some(Reference::Ref("AWS::NoValue"));

    let (condition, with_pollers, without) =
        branches(&template, &format!("{SOURCE}/ScalingConfig"));
    assert_eq!(condition, "UseProvisionedPollers");
    assert_eq!(Reference::of(with_pollers), nothing);
    let maximum = Reference::of(&without["MaximumConcurrency"]);
    assert_eq!(maximum, Some(Reference::Ref("MaximumConcurrency")));

    let (condition, with_pollers, without) =
        branches(&template, &format!("{SOURCE}/ProvisionedPollerConfig"));
    assert_eq!(condition, "UseProvisionedPollers");
    let maximum = Reference::of(&with_pollers["MaximumPollers"]);
    assert_eq!(maximum, Some(Reference::Ref("ProvisionedPollersMax")));
    assert_eq!(Reference::of(without), nothing);
}

#[test]
fn every_function_is_built_from_this_workspace() {
    let template = Template::load();
    let binaries = [
        ("IngestFunction", "ingest"),
        ("ReconcilerFunction", "reconciler"),
        ("WorkerFunction", "worker"),
    ];
    let mut functions = template.resources("AWS::Serverless::Function");
    functions.sort_unstable();
    assert_eq!(functions, binaries.map(|(function, _)| function));
    for (function, binary) in binaries {
        let metadata = template.at(&format!("Resources/{function}/Metadata"));
        assert_eq!(metadata["BuildMethod"], "rust-cargolambda", "{function}");
        assert_eq!(metadata["BuildProperties"]["Binary"], binary, "{function}");
    }
    let shared = template.at("Globals/Function");
    assert_eq!(shared["Runtime"], "provided.al2023");
    assert_eq!(shared["Handler"], "bootstrap");
    assert_eq!(template.parameter("Architecture").default, "arm64");
}
