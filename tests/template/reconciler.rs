//! What the reconciler's code takes for granted about the table and the queues.

use relay_core::reconcile::BURIAL_GRACE;
use relay_tests::Template;

#[test]
fn f20_a_worker_has_the_time_to_bury_what_it_left_unburied() {
    let template = Template::load();
    let visibility = template.number("Resources/DeliveryQueue/Properties/VisibilityTimeout");
    let timeout = template.number("Resources/WorkerFunction/Properties/Timeout");
    let grace = i64::try_from(BURIAL_GRACE.as_secs()).expect("some minutes");
    assert!(visibility + timeout <= grace, "{visibility} s hidden, {timeout} s of work, {grace} s");
}

#[test]
fn the_index_answers_what_is_in_order_without_a_look_at_the_records() {
    let template = Template::load();
    let indexes = template.at("Resources/MessagesTable/Properties/GlobalSecondaryIndexes");
    let projection = &indexes[0]["Projection"];
    assert_eq!(projection["ProjectionType"], "INCLUDE");
    let names = projection["NonKeyAttributes"].as_sequence().expect("a list").iter();
    let names: Vec<_> = names.filter_map(|name| name.as_str()).collect();
    assert_eq!(names, ["buried", "reason"]);
}
